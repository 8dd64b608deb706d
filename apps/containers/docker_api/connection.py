"""One connection of a Docker client: requests are read, answered, and perhaps the connection is taken over."""

from __future__ import annotations

import contextlib
import json
import threading
from http import HTTPStatus
from typing import Any, Protocol

import h11

from apps.containers.docker_api.answers import encode_frame
from apps.containers.docker_api.calls import MAX_BODY, DockerRequest, parse_docker_request
from apps.containers.docker_api.host_calls import Answer, HostDockerApi, StreamAnswer, Takeover
from apps.core.errors import Forbidden, Invalid, Problem
from apps.drivers.base import (
    EngineConflict,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineRefused,
    ExecSession,
)

IDLE_TIMEOUT = 300.0
"""Seconds without a request after which a connection ends; clients open another."""
REQUEST_TIMEOUT = 30.0
"""Seconds between two pieces of a request that has begun."""
_STATUSES: tuple[tuple[type[EngineError], int], ...] = (
    (EngineNotFound, 404),
    (EngineConflict, 409),
    (EngineRefused, 400),
    (EngineDown, 503),
)


class Pipe(Protocol):
    """What is at the other end: bytes from the client and to it."""

    def read(self, timeout: float | None) -> bytes:
        """Some bytes, b"" when no more come. Raises `TimeoutError`."""

    def write(self, data: bytes) -> None:
        """All of `data`, as fast as the client takes it. Raises `OSError` once it is gone."""


class DockerConnection:
    """Serves one client until either side ends; `needs` are the permissions that what runs now takes.

    `serve` runs in a thread of its own, `close` may be called from any.
    """

    def __init__(self, api: HostDockerApi, pipe: Pipe) -> None:
        self._api, self._pipe = api, pipe
        self._http = h11.Connection(h11.SERVER)
        self._open: Any = None  # the stream or session that runs now
        self._closed = self._is_head = False
        self._lock = threading.Lock()
        self.needs: frozenset[str] = frozenset()

    def serve(self) -> None:
        """Until the end. Raises nothing that the client could cause."""
        try:
            while not self._closed and self._serve_one():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            self._refuse_bytes(error)
        except (OSError, h11.LocalProtocolError):
            pass  # the client is gone, or is silent

    def close(self) -> None:
        """End it, in a thread because a slow engine can block the call."""
        with self._lock:
            self._closed = True
            current = self._open
        if current is not None:
            threading.Thread(target=current.close, name="docker-api-close", daemon=True).start()

    def _serve_one(self) -> bool:
        """One request and its answer; whether another may follow."""
        head = self._next_event(IDLE_TIMEOUT)
        if not isinstance(head, h11.Request):
            return False
        self._is_head = head.method == b"HEAD"
        try:
            request = parse_docker_request(head.method.decode(), head.target.decode(), self._read_body())
            _check_upgrade(head, request)
            answer = self._api.handle(request)
        except (Problem, EngineError) as error:
            answer = Answer({"message": str(error)}, _status_of(error))
        if isinstance(answer, Takeover):
            self._take_over(answer)
            return False
        if isinstance(answer, StreamAnswer):
            self._send_stream(answer)
        else:
            self._send_answer(answer)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _next_event(self, timeout: float) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(self._pipe.read(timeout))
        return event

    def _read_body(self) -> bytes:
        body = b""
        while isinstance(event := self._next_event(REQUEST_TIMEOUT), h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                raise Invalid("body", "MaxLengthExceeded", f"A body has at most {MAX_BODY // 1024} KB here.")
        return body

    def _send(self, *events: Any) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        if data:
            self._pipe.write(data)

    def _send_answer(self, answer: Answer) -> None:
        has_body = answer.body is not None
        is_text = isinstance(answer.body, str)
        data = (answer.body if is_text else json.dumps(answer.body) + "\n").encode() if has_body else b""
        kind = "text/plain; charset=utf-8" if is_text else "application/json"
        headers = [*answer.headers.items(), ("Content-Type", kind), ("Content-Length", str(len(data)))]
        body = b"" if self._is_head else data
        self._send(_response(answer.status, headers), h11.Data(data=body), h11.EndOfMessage())

    def _send_stream(self, answer: StreamAnswer) -> None:
        if not self._begin(answer.pieces, answer.needs):
            return
        try:
            self._send(_response(200, [("Content-Type", answer.content_type), ("Transfer-Encoding", "chunked")]))
            for piece in answer.pieces:
                self._send(h11.Data(data=piece))
            self._send(h11.EndOfMessage())
        except EngineError:
            self._closed = True  # the answer has begun: all that is left is to end without its last chunk
        finally:
            self._finish(answer.pieces)

    def _take_over(self, answer: Takeover) -> None:
        if not self._begin(answer.session, answer.needs):
            return
        try:
            headers = [("Connection", "Upgrade"), ("Upgrade", "tcp"), ("Content-Type", answer.content_type)]
            self._send(h11.InformationalResponse(status_code=101, headers=headers, reason="UPGRADED"))
            first = self._http.trailing_data[0]
            threading.Thread(
                target=self._forward_input, args=(answer.session, first), name="docker-api-input", daemon=True
            ).start()
            self._forward_output(answer)
        except EngineError:
            pass  # it is cut off, as a broken connection to the engine would be
        finally:
            self._finish(answer.session)

    def _forward_output(self, answer: Takeover) -> None:
        if answer.tty:
            while data := answer.session.read():
                self._pipe.write(data)
            return
        while True:
            stream, data = answer.session.read_stream()
            if not data:
                return
            self._pipe.write(encode_frame(stream, data))

    def _forward_input(self, session: ExecSession, first: bytes) -> None:
        """What the client sends, and that nothing more comes; a command that takes no more also ends the output."""
        try:
            data = bytes(first) or self._pipe.read(None)
            while data:
                session.write(data)
                data = self._pipe.read(None)
            session.end_input()
        except (EngineError, OSError):
            return

    def _begin(self, opened: Any, needs: frozenset[str]) -> bool:
        """Have `close` end what was opened; False, and it is closed, if that came first."""
        with self._lock:
            self._open, self.needs = opened, needs
            if not self._closed:
                return True
        opened.close()
        return False

    def _finish(self, opened: Any) -> None:
        with self._lock:
            self._open, self.needs = None, frozenset()
        opened.close()

    def _refuse_bytes(self, error: h11.RemoteProtocolError) -> None:
        """Say that what came is no HTTP, where nothing has been answered yet."""
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = Answer({"message": f"The request is not understood: {error}."}, error.error_status_hint)
            with contextlib.suppress(OSError, h11.LocalProtocolError):
                self._send_answer(answer)


def _response(status: int, headers: list[tuple[str, str]]) -> h11.Response:
    return h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase)


def _check_upgrade(head: h11.Request, request: DockerRequest) -> None:
    """Raise `Invalid` for a command whose connection cannot be taken over."""
    upgrade = next((value for name, value in head.headers if name == b"upgrade"), b"")
    is_detached = request.body.get("Detach") is True
    if request.call.takes_over and not is_detached and upgrade.lower() != b"tcp":
        raise Invalid("Upgrade", "MissingRequired", "This call takes the connection over: send Upgrade: tcp.")


def _status_of(error: Problem | EngineError) -> int:
    if isinstance(error, Forbidden):
        return 403
    if isinstance(error, Invalid):
        return 400
    if isinstance(error, Problem):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
