"""The network goes away in the middle of `up`: it is waited for, and the same command goes on where one broke off."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from corral_cli.errors import ExitCode
from corral_cli.program import run
from corral_cli.terminal import UserTerminal
from corral_cli.transport import HttpTransport
from tests.wire.api_client import run_until_idle

pytestmark = [pytest.mark.sockets, pytest.mark.django_db(transaction=True)]

FILE = "web:\n  image: sim/nginx:1\n"


class Cable:
    """A connection to a server that can be cut: what goes through it breaks, and nothing new comes through."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self.loses_answers_to = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing comes through."""
        self._is_cut = True
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def remove(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                if self._is_cut:
                    client.close()
                else:
                    threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server, 10) as server:
            self._open |= {client, server}
            is_lost = False
            with contextlib.suppress(OSError):
                while True:
                    ready, _none, _nothing = select.select([client, server], [], [], 30)
                    for each in ready:
                        data = each.recv(65536)
                        if not data:
                            return
                        is_lost |= bool(self.loses_answers_to) and self.loses_answers_to in data
                        if is_lost and each is server:  # what was requested is done, and nobody hears of it
                            self.loses_answers_to = b""
                            return
                        (server if each is client else client).sendall(data)
            self._open -= {client, server}


@pytest.fixture
def cable(live_server: Any) -> Iterator[Cable]:
    """The only way to the portal."""
    parts = urlsplit(live_server.url)
    made = Cable(parts.hostname or "", parts.port or 80)
    yield made
    made.remove()


@pytest.fixture
def up(cable: Cable, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs `corral up` through the cable; `while_waiting` is called at each pause, with its number."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "docker-compose.yml").write_text(FILE)
    (tmp_path / "rancher-compose.yml").write_text("web:\n  scale: 10\n")

    def call(while_waiting: Callable[[int], None] = lambda _pause: None) -> tuple[int, str]:
        err, pauses = io.StringIO(), iter(range(10_000))
        clock = [0.0]

        def sleep(seconds: float) -> None:
            clock[0] += seconds
            while_waiting(next(pauses))
            run_until_idle()

        environ = {**cli.environ, "RANCHER_URL": f"http://127.0.0.1:{cable.port}"}
        terminal = UserTerminal(
            io.StringIO(), err, io.StringIO(), environ, sleep=sleep, now=lambda: clock[0], folder=str(tmp_path)
        )
        code = run(["up", "-d", "-s", "shop"], terminal, connect=lambda _ca: HttpTransport(timeout=20))
        return code, err.getvalue()

    return call


def running(cli: Any) -> list[str]:
    rows = cli.succeed("ps", "-c", "--format", "json").json
    return sorted(each["name"] for each in rows if each["state"] == "running")


def test_a_cut_in_the_middle_is_waited_for(up: Any, cable: Cable, cli: Any):
    def while_waiting(pause: int) -> None:
        if pause == 0:
            cable.cut()
        elif pause == 4:
            cable.mend()

    code, said = up(while_waiting)
    assert (code, said.count("Waiting for it.")) == (ExitCode.OK, 1), said
    assert running(cli) == sorted(f"shop_web_{number}" for number in range(1, 11))


def test_an_answer_that_is_lost_is_made_up_for_by_the_same_command(up: Any, cable: Cable, cli: Any):
    cable.loses_answers_to = b'"dockerCompose"'
    code, said = up()
    assert code == ExitCode.UNREACHABLE, said
    assert "Traceback" not in said
    code, said = up()
    assert code == ExitCode.OK, said
    assert len(running(cli)) == 10
    assert [each["name"] for each in cli.succeed("stacks", "--format", "json").json] == ["shop"]


@pytest.mark.parametrize("request_line", [b"/services?", b"/services/1s"])
def test_a_cut_while_something_is_read_is_waited_for(up: Any, cable: Cable, cli: Any, request_line: bytes):
    cable.loses_answers_to = request_line
    code, said = up()
    assert (code, said.count("Waiting for it.")) == (ExitCode.OK, 1), said
    assert cable.loses_answers_to == b""
    assert len(running(cli)) == 10


def test_a_portal_that_cannot_be_reached_at_all_is_said_so(up: Any, cable: Cable):
    cable.cut()
    code, said = up()
    assert code == ExitCode.UNREACHABLE
    assert said.count("\n") == 1
