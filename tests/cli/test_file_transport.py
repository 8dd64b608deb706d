"""Files over a real network: sent with and without a known size, received while they arrive, and never half."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from corral_cli import transport as transport_module
from corral_cli.errors import CliError, ExitCode
from corral_cli.file_progress import FileProgress
from corral_cli.terminal import UserTerminal
from corral_cli.transport import HttpTransport


class _Portal(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._whole()
        status = 422 if self.path == "/refused" else 200
        self._answer(status, f"{len(body)} {self.headers.get('Content-Length')}".encode())

    def do_GET(self) -> None:
        missing = 5 if self.path == "/half" else 0
        body = b"x" * 1_000_000
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - missing])
        self.close_connection = True

    def _whole(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Nothing."""


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a small HTTP server; no proxy of the machine is in the way."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    running = ThreadingHTTPServer(("127.0.0.1", 0), _Portal)
    threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize(("size", "said"), [(3_000_000, b"3000000 3000000"), (None, b"3000000 None")])
def test_a_file_is_sent_piece_by_piece(portal: str, size: int | None, said: bytes):
    pieces = (b"x" * 1_000_000 for _ in range(3))
    answer = HttpTransport().send_file(f"{portal}/file", {"Content-Type": "application/x-tar"}, pieces, size)
    assert (answer.status, answer.body) == (200, said)


def test_a_refusal_of_a_file_is_an_answer(portal: str):
    answer = HttpTransport().send_file(f"{portal}/refused", {"Content-Type": "application/x-tar"}, iter([b"x"]), 1)
    assert answer.status == 422


def test_a_file_is_received_piece_by_piece(portal: str):
    with HttpTransport().receive_file(f"{portal}/file", {}) as answer:
        sizes = [len(piece) for piece in answer.pieces]
    assert (answer.status, sum(sizes)) == (200, 1_000_000)
    assert max(sizes) <= transport_module._PIECE


def test_a_file_that_breaks_off_is_no_file(portal: str):
    with (
        pytest.raises(CliError, match=r"middle of the file|IncompleteRead") as broken,
        HttpTransport().receive_file(f"{portal}/half", {}) as answer,
    ):
        list(answer.pieces)
    assert broken.value.code is ExitCode.UNREACHABLE


def test_a_status_is_no_exception(portal: str):
    with HttpTransport().receive_file(f"{portal}/missing", {}) as answer:
        assert answer.status == 404


def test_nobody_there_is_said():
    with pytest.raises(CliError) as refused:
        HttpTransport().send_file("http://127.0.0.1:1/x", {}, iter([b"x"]), 1)
    assert refused.value.code is ExitCode.UNREACHABLE
    receiving = HttpTransport().receive_file("http://127.0.0.1:1/x", {})
    with pytest.raises(CliError) as refused:
        receiving.__enter__()
    assert refused.value.code is ExitCode.UNREACHABLE


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def terminal(clock: _Clock) -> tuple[UserTerminal, io.StringIO]:
    err = io.StringIO()
    return UserTerminal(io.StringIO(), err, io.StringIO(), {}, now=clock), err


def test_progress_is_said_once_a_second_at_most():
    clock = _Clock()
    to, err = terminal(clock)
    progress = FileProgress(to, "sent", 4_000_000)
    for seconds in (0.1, 0.5, 1.2, 1.3, 2.5):
        clock.seconds = seconds
        progress.count(500_000)
    assert err.getvalue().splitlines() == ["1.4 MB of 3.8 MB sent", "2.4 MB of 3.8 MB sent"]


def test_a_file_of_unknown_size_says_how_much_came():
    clock = _Clock()
    to, err = terminal(clock)
    progress = FileProgress(to, "of shop:2")
    clock.seconds = 5.0
    progress.count(1536)
    assert err.getvalue() == "1.5 KB of shop:2\n"


def test_pieces_are_counted_once_they_are_taken():
    to, _err = terminal(_Clock())
    progress = FileProgress(to, "sent", 3)
    assert b"".join(progress.pieces_of(io.BytesIO(b"abc"))) == b"abc"
    assert progress.size == 3
