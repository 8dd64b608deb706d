"""HTTP to the portal: proxies, an authority of one's own, time-outs, and answers of a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

from corral_cli.errors import CliError, ExitCode
from corral_cli.unreachable import unreachable

MAX_ANSWER = 64 * 1024 * 1024
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
FILE_ANSWER_SECONDS = 900.0  # an engine unpacks a file before the portal answers
_PIECE = 256 * 1024


class HttpAnswer(NamedTuple):
    """What the portal answered; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FileAnswer(NamedTuple):
    """An answer whose body is a file: `pieces` arrive while they are read, and raise `CliError` if it breaks off."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class MessageSocket(Protocol):
    """An open WebSocket."""

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """The next message; None when the time is over or the other side has closed."""
        ...

    def send(self, message: str | bytes) -> None:
        """Send one message."""
        ...

    def close(self) -> None:
        """Close it."""
        ...

    @property
    def closed(self) -> str | None:
        """Why it is closed, None while it is open."""
        ...


class Sender(Protocol):
    """What sends one request."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """One request. Raises `CliError` when there is no answer."""
        ...


class Transport(Sender, Protocol):
    """How requests reach the portal."""

    def send_file(self, url: str, headers: Mapping[str, str], pieces: Iterable[bytes], size: int | None) -> HttpAnswer:
        """POST a file of `size` bytes (None: not known yet). Raises `CliError` when there is no answer."""
        ...

    def receive_file(self, url: str, headers: Mapping[str, str]) -> AbstractContextManager[FileAnswer]:
        """GET a file. Raises `CliError` when there is no answer."""
        ...

    def open_socket(self, url: str, headers: Mapping[str, str]) -> MessageSocket:
        """A WebSocket. Raises `CliError` when it is refused."""
        ...


class HttpTransport:
    """Over the network, with the standard library; `ca` is a file of authorities to trust besides the known ones."""

    def __init__(self, ca: str = "", timeout: float = ANSWER_SECONDS) -> None:
        self._ca = ca
        self._timeout = timeout
        self._opener: Any = None

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """One request. Raises `CliError` when there is no answer."""
        return self._send(method, url, headers, body, self._timeout)

    def send_file(self, url: str, headers: Mapping[str, str], pieces: Iterable[bytes], size: int | None) -> HttpAnswer:
        """POST a file, chunked where its size is not known. Raises `CliError` when there is no answer."""
        length = {"Content-Length": str(size)} if size is not None else {"Transfer-Encoding": "chunked"}
        return self._send("POST", url, {**headers, **length}, pieces, FILE_ANSWER_SECONDS)

    @contextmanager
    def receive_file(self, url: str, headers: Mapping[str, str]) -> Iterator[FileAnswer]:
        """GET a file. Raises `CliError` when there is no answer, and while it is read when it breaks off."""
        from http.client import HTTPException
        from urllib.error import URLError
        from urllib.request import Request

        try:
            request = Request(url, headers=dict(headers), method="GET")  # noqa: S310 - http(s), checked
            with self._open(request, self._timeout) as found:
                names = {name.lower(): value for name, value in found.headers.items()}
                yield FileAnswer(found.status, names, _pieces(found))
        except URLError as error:
            raise unreachable(url, error.reason) from None
        except (HTTPException, OSError, ValueError) as error:
            raise unreachable(url, error) from None

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Any, timeout: float) -> HttpAnswer:
        from http.client import HTTPException
        from urllib.error import URLError
        from urllib.request import Request

        try:
            request = Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - http(s), checked
            with self._open(request, timeout) as found:
                data = found.read(MAX_ANSWER + 1)
                if found.length and len(data) <= MAX_ANSWER:  # what was announced and has not come
                    raise ConnectionError("the connection broke in the middle of its answer")
                answer = HttpAnswer(found.status, {name.lower(): value for name, value in found.headers.items()}, data)
        except URLError as error:
            raise unreachable(url, error.reason) from None
        except (HTTPException, OSError, ValueError) as error:
            raise unreachable(url, error) from None
        if len(data) > MAX_ANSWER:
            raise CliError(f"The answer of {url} is larger than {MAX_ANSWER >> 20} MB; ask for less at a time.")
        return answer

    def open_socket(self, url: str, headers: Mapping[str, str]) -> MessageSocket:
        """A WebSocket. Raises `CliError` when it is refused."""
        from corral_cli.websocket import connect

        context = self.tls_context() if url.startswith("wss:") else None
        return connect(url, headers, context, timeout=CONNECT_SECONDS)

    def tls_context(self) -> Any:
        """Which certificates are trusted. Raises `CliError` for a file that holds none."""
        import ssl

        context = ssl.create_default_context()
        if self._ca:
            try:
                context.load_verify_locations(cafile=self._ca)
            except (OSError, ssl.SSLError) as error:
                why = getattr(error, "strerror", None) or "it holds no certificate in PEM form"
                raise CliError(f"--ca {self._ca}: {why}.", ExitCode.USAGE) from None
        return context

    def _open(self, request: Any, timeout: float) -> Any:
        from urllib.request import HTTPErrorProcessor, HTTPSHandler, build_opener

        class AnyStatus(HTTPErrorProcessor):
            """Every status is an answer; nothing follows a redirection, which would take the key along."""

            def http_response(self, request: Any, response: Any) -> Any:  # noqa: ARG002 - the base's signature
                return response

            def https_response(self, request: Any, response: Any) -> Any:  # noqa: ARG002 - the base's signature
                return response

        if self._opener is None:
            secure = [HTTPSHandler(context=self.tls_context())] if request.type == "https" else []
            self._opener = build_opener(AnyStatus, *secure)  # it takes the proxies of the environment
        return self._opener.open(request, timeout=timeout)


def _pieces(found: Any) -> Iterator[bytes]:
    while piece := found.read(_PIECE):
        yield piece
    if found.length:  # what was announced and has not come
        raise ConnectionError("the connection broke in the middle of the file")
