"""Over a real network: HTTP and WebSockets of the standard library, against servers that behave well and badly."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from corral_cli import transport as transport_module
from corral_cli import websocket as websocket_module
from corral_cli.errors import CliError, ExitCode
from corral_cli.transport import HttpTransport
from corral_cli.unreachable import unreachable


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/moved": 302, "/gone": 404}.get(self.path, 200)
        missing = {"/half": 7, "/none": 12}.get(self.path, 0)
        body = b"x" * 1000 if self.path == "/large" else b'{"ok": true}'
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://elsewhere.test/")
        self.send_header("X-Seen", self.headers.get("Authorization", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - missing])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a small HTTP server; no proxy of the machine is in the way."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@contextlib.contextmanager
def sockets(handle: Callable[[ServerConnection], None]) -> Iterator[str]:
    """The URL of a WebSocket server."""
    with serve(handle, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}/ws"
        running.shutdown()
        thread.join(30)


def test_every_status_is_an_answer_and_no_redirection_is_followed(server: str):
    transport = HttpTransport()
    for path, status in (("/", 200), ("/gone", 404), ("/moved", 302)):
        assert transport.send("GET", server + path, {"Authorization": "Basic abc"}, None).status == status
    assert transport.send("GET", server, {"Authorization": "Basic abc"}, None).headers["x-seen"] == "Basic abc"


@pytest.mark.parametrize("path", ["/half", "/none"])
def test_an_answer_that_breaks_off_is_none(server: str, path: str):
    with pytest.raises(CliError, match="in the middle of its answer") as broken:
        HttpTransport().send("GET", server + path, {}, None)
    assert broken.value.code is ExitCode.UNREACHABLE


def test_an_answer_without_end_is_refused(server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transport_module, "MAX_ANSWER", 100)
    with pytest.raises(CliError, match="larger than"):
        HttpTransport().send("GET", f"{server}/large", {}, None)


def test_a_port_where_nothing_listens_is_said_so():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(CliError, match="Nothing listens") as caught:
        HttpTransport().send("GET", f"http://127.0.0.1:{port}/", {}, None)
    assert caught.value.code is ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (socket.gaierror(-2, "unknown"), "no host of the name"),
        (TimeoutError(), "in time"),
        (ssl.SSLError(1, "wrong version number"), "http://"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (ValueError("odd"), "odd"),
    ],
)
def test_each_reason_has_its_remedy(reason: Exception, says: str):
    error = unreachable("https://portal.test/v1", reason)
    assert says in str(error)
    assert error.code is ExitCode.UNREACHABLE


def test_a_file_without_certificates_is_named(tmp_path: Path):
    path = tmp_path / "ca.pem"
    for text, says in ((None, "No such file"), ("nothing", "no certificate")):
        if text:
            path.write_text(text)
        with pytest.raises(CliError, match=says) as caught:
            HttpTransport(str(path)).tls_context()
        assert caught.value.code is ExitCode.USAGE


def test_messages_of_every_size_go_both_ways(server: str):
    sizes = (0, 1, 125, 126, 65535, 65536, 300_000)

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with sockets(echo) as url:
        found = HttpTransport().open_socket(url, {})
        for size in sizes:
            found.send("ü" + "a" * size)
            assert found.receive(60) == "ü" + "a" * size
            found.send(b"\x00" * size)
            assert found.receive(60) == b"\x00" * size
        found.close()
        assert found.closed == ""


def test_pieces_pings_and_the_reason_of_the_end_are_understood(server: str):
    pongs: list[bool] = []

    def talk(connection: ServerConnection) -> None:
        connection.send(iter(["in ", "three ", "pieces"]))
        pongs.append(connection.ping().wait(60))
        connection.close(4404, "There is no such container.")

    with sockets(talk) as url:
        found = HttpTransport().open_socket(f"{url}?token=a", {"Authorization": "Basic x"})
        assert found.receive(60) == "in three pieces"
        assert found.receive(60) is None
        assert found.closed == "There is no such container."
        found.close()
    assert pongs == [True]


def test_a_message_that_is_too_large_ends_the_connection(server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(websocket_module, "MAX_MESSAGE", 1000)
    with sockets(lambda connection: connection.send("a" * 1001)) as url:
        found = HttpTransport().open_socket(url, {})
        assert found.receive(60) is None
        assert "too large" in (found.closed or "")
        found.close()


def test_waiting_for_a_message_ends_in_time(server: str):
    over = threading.Event()
    with sockets(lambda _connection: _wait_for(over)) as url:
        found = HttpTransport().open_socket(url, {})
        assert found.receive(0.01) is None
        assert found.closed is None
        over.set()
        found.close()
        assert found.receive(1) is None


def test_a_server_that_opens_no_socket_is_said_so(server: str):
    with pytest.raises(CliError, match="opens no WebSocket") as caught:
        HttpTransport().open_socket(server.replace("http", "ws"), {})
    assert caught.value.code is ExitCode.UNREACHABLE


def _wait_for(event: threading.Event) -> None:
    event.wait(60)


def _answer_once(text: bytes) -> tuple[str, threading.Thread]:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(text)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return f"ws://127.0.0.1:{listener.getsockname()[1]}/", thread


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", ExitCode.CREDENTIALS),
        (b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: wrong\r\n\r\n", ExitCode.UNREACHABLE),
        (b"nonsense\r\n\r\n", ExitCode.UNREACHABLE),
        (b"", ExitCode.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 20_000, ExitCode.UNREACHABLE),
    ],
    ids=["refused", "wrong key", "no HTTP", "nothing", "no end"],
)
def test_a_handshake_that_fails_is_an_error_of_its_own_kind(server: str, answer: bytes, code: ExitCode):
    url, thread = _answer_once(answer)
    with pytest.raises(CliError) as caught:
        HttpTransport().open_socket(url, {})
    assert caught.value.code is code
    thread.join(30)


def test_a_proxy_is_used_for_sockets_and_its_refusal_is_said(server: str, monkeypatch: pytest.MonkeyPatch):
    url, thread = _answer_once(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    monkeypatch.setenv("http_proxy", url.replace("ws://", "http://user:word@"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(CliError, match="refuses with status 407"):
        HttpTransport().open_socket("ws://portal.test/ws", {})
    thread.join(30)


def _pair() -> tuple[Any, socket.socket]:
    ours, theirs = socket.socketpair()
    return websocket_module.WebSocket(ours), theirs


@pytest.mark.parametrize(
    "data",
    [b"\x81\x80\x00\x00\x00\x00", b"\xf1\x00", b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"],
    ids=["masked", "reserved bits", "endless"],
)
def test_what_is_no_frame_ends_the_connection(data: bytes):
    found, theirs = _pair()
    with theirs:
        theirs.sendall(data)
        assert found.receive(60) is None
        assert found.closed
    found.close()


def test_a_connection_that_breaks_is_no_traceback():
    found, theirs = _pair()
    theirs.close()
    assert found.receive(60) is None
    assert "broke" in found.closed
    found.send("late")
    found.close()
