"""One HTTP request to a port inside a container, the way a port is forwarded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import h11

from apps.containers.models import Container
from apps.containers.port_forward import forward_end_reason, forward_open
from apps.core.errors import Busy, Problem
from apps.drivers.base import EngineError, ExecSession

MAX_REQUEST, MAX_ANSWER = 1024 * 1024, 16 * 1024 * 1024
TIMEOUT = 30.0
"""Seconds for a whole answer."""
MAX_AT_ONCE = 16
"""In one process: each holds a thread of the portal until its container has answered."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# Nothing that says who the caller is, to either side: cookies of the portal are no business of a container's.
_SENT = frozenset({"accept", "accept-language", "content-type", "if-none-match", "if-modified-since", "range"})
_RETURNED = frozenset(
    {"content-type", "content-encoding", "content-range", "etag", "last-modified", "content-language"}
)


_places = threading.BoundedSemaphore(MAX_AT_ONCE)


class ProxyFailed(Problem):
    """The container did not answer as a web server does; `str()` says what was wrong."""

    status = 502
    code = "BadGateway"


@dataclass(frozen=True, slots=True)
class ProxiedAnswer:
    """What the container answered, with the headers that are passed on."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def proxied_request(
    row: Container, port: int, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
) -> ProxiedAnswer:
    """The container's answer. Raises `ProxyFailed`, `Busy`, and as a forwarded port does."""
    if not _places.acquire(blocking=False):
        raise Busy(f"{MAX_AT_ONCE} requests to containers are under way: try again a little later.")
    try:
        return _request(row, port, _request_events(port, method, target, headers, body))
    finally:
        _places.release()


def _request(row: Container, port: int, events: Iterable[Any]) -> ProxiedAnswer:
    session = forward_open(row, port)
    overdue = threading.Timer(TIMEOUT, session.close)
    overdue.daemon = True
    overdue.start()
    try:
        return _exchange(session, events)
    except (h11.RemoteProtocolError, EngineError) as error:
        reason = "" if overdue.finished.is_set() else _end_reason(session, port)
        slow = f"The container did not answer within {TIMEOUT:.0f} seconds." if overdue.finished.is_set() else ""
        raise ProxyFailed(slow or reason or f"The container's answer is not understood: {error}.") from None
    finally:
        overdue.cancel()
        session.close()


def _end_reason(session: ExecSession, port: int) -> str:
    with contextlib.suppress(EngineError):
        return forward_end_reason(session.exit_code(), port)
    return ""


def _request_events(
    port: int, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Iterator[Any]:
    sent = [(name, value) for name, value in headers if name.lower() in _SENT]
    fixed = [("Host", f"localhost:{port}"), ("Connection", "close"), ("Accept-Encoding", "identity")]
    length = [("Content-Length", str(len(body)))] if body or method in {"POST", "PUT", "PATCH"} else []
    yield h11.Request(method=method, target=target, headers=[*fixed, *length, *sent])
    if body:
        yield h11.Data(data=body)
    yield h11.EndOfMessage()


def _exchange(session: ExecSession, events: Iterable[Any]) -> ProxiedAnswer:
    """Send a request and read what comes. Raises `h11.RemoteProtocolError`, `EngineError` and `ProxyFailed`."""
    http = h11.Connection(h11.CLIENT)
    try:
        session.write(b"".join(http.send(event) or b"" for event in events))
    except h11.LocalProtocolError as error:
        raise ProxyFailed(f"The request cannot be passed on: {error}.", status=400) from None
    return _read_answer(http, session)


def _read_answer(http: h11.Connection, session: ExecSession) -> ProxiedAnswer:
    head: h11.Response | None = None
    body = bytearray()
    while not isinstance(event := _next_event(http, session), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_ANSWER:
                raise ProxyFailed(f"An answer has at most {MAX_ANSWER // 1024**2} MB here: forward the port instead.")
        elif not isinstance(event, h11.InformationalResponse):
            break
    if head is None or not isinstance(event, h11.EndOfMessage):
        raise h11.RemoteProtocolError("it ended in the middle")
    return ProxiedAnswer(head.status_code, _returned(head), bytes(body))


def _next_event(http: h11.Connection, session: ExecSession) -> Any:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(session.read())
    return event


def _returned(head: h11.Response) -> tuple[tuple[str, str], ...]:
    names = ((name.decode("latin1"), value.decode("latin1")) for name, value in head.headers)
    return tuple((name, value) for name, value in names if name.lower() in _RETURNED)
