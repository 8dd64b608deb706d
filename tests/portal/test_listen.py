"""Where the portal listens, what its command line knows, and what stops it before it began."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from portal import __main__ as program
from portal.boot import serve
from portal.boot.readiness import build_response
from portal.boot.terminal import CannotStart


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Signal handlers are the process's: put back what was there."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("bind", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), (" 127.0.0.1 ", socket.AF_INET)]
)
def test_the_portal_listens_where_it_is_configured_to(
    monkeypatch: pytest.MonkeyPatch, bind: str, family: socket.AddressFamily
) -> None:
    port = free_port()
    monkeypatch.setenv("BIND", bind)
    monkeypatch.setenv("PORT", f" {port} ")
    with serve.listen() as listener:
        assert listener.family == family
        assert listener.getsockname()[:2] == (bind.strip(), port)
        assert listener.gettimeout() == 0


@pytest.mark.parametrize("port", ["65536", "-1", "http", "80.5", "²", "0x50", "8080/tcp"])
def test_a_port_that_is_none_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("BIND", "127.0.0.1")
    monkeypatch.setenv("PORT", port)
    with pytest.raises(CannotStart, match=f"PORT={port} is not a port number"):
        serve.listen()


@pytest.mark.parametrize("bind", ["127.0.0.1", "nowhere.invalid", "256.0.0.1"])
def test_an_address_that_cannot_be_had_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("BIND", bind)
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(CannotStart, match=rf"{bind}:{port} cannot be used \(.+\); set PORT"):
            serve.listen()


@pytest.mark.parametrize(
    ("ends", "code"),
    [(CannotStart("no place"), 1), (SystemExit(0), 0), (SystemExit(3), 3), (SystemExit(None), 0), (None, 0)],
    ids=["cannot start", "told to stop", "with a code", "without", "by itself"],
)
def test_a_run_has_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ends: BaseException | None, code: int
) -> None:
    def run(_: serve.Portal) -> None:
        if ends is not None:
            raise ends

    monkeypatch.setattr(serve.Portal, "run", run)
    assert serve.serve() == code
    assert ("Corral cannot start: no place" in capsys.readouterr().out) is (code == 1)


def test_a_signal_before_the_server_ends_the_start_and_the_next_one_is_ignored() -> None:
    portal = serve.Portal()
    portal._take_signals()
    with pytest.raises(SystemExit) as leaving:
        os.kill(os.getpid(), signal.SIGTERM)
    assert leaving.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    serve.Portal()._take_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["serve", "now"], ["demo", "serve"], ["Serve"]])
def test_a_command_that_is_none_shows_how_to_do_it(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "serve", lambda: pytest.fail("nothing starts by a mistake"))
    assert program.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "usage: python -m portal serve" in captured.err


def test_the_server_leaves_with_its_code_and_waits_for_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Left(BaseException):
        pass

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr("portal.boot.serve.serve", lambda: 7)
    monkeypatch.setattr("portal.__main__.os._exit", leave)
    with pytest.raises(Left) as left:
        program.main(["serve"])
    assert left.value.args == (7,)


def test_the_demonstration_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.tools.demo.demo", lambda: 5)
    assert program.main(["demo"]) == 5


@pytest.mark.parametrize("step", ["Loading", "<script>alert(1)</script>", "{step}", 'a "quoted" word', "Prüfung"])
@pytest.mark.parametrize("kind", ["text/html", "*/*"])
def test_the_waiting_page_shows_any_step_and_runs_none(step: str, kind: str) -> None:
    head, _, body = build_response(f"GET / HTTP/1.1\r\nAccept: {kind}".encode(), step).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"<script>alert" not in body or kind != "text/html"
    assert (b"text/html" in head) is (kind == "text/html")


@pytest.mark.parametrize("head", [b"", b"\r\n", b"\xff\xfe\x00", b"GET", b"GET / HTTP/1.1\r\nno colon\r\n: x"])
def test_any_head_gets_an_answer(head: bytes) -> None:
    assert build_response(head, "Loading").startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
