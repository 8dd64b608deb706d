"""A port of this machine leads to a port inside a container: what is forwarded, and how it ends."""

from __future__ import annotations

import io
import socket
import threading
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import pytest

from corral_cli.commands.port_forward import parse_ports
from corral_cli.errors import CliError, ExitCode
from corral_cli.port_relay import PortRelay
from corral_cli.session import CliSession
from corral_cli.terminal import UserTerminal
from tests.cli.command_line import CommandLine, PortalTransport, ScriptedSocket


@pytest.fixture
def shop(cli: CommandLine) -> CommandLine:
    """The command line of the lab's owner, with a container of shop/web running."""
    cli.write("docker-compose.yml", "web:\n  image: sim/nginx:1.8\n")
    cli.succeed("up", "-d", "-s", "shop", "--wait")
    return cli


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection: the program's, and the one that was accepted."""
    program, accepted = socket.socketpair()
    yield program, accepted
    program.close()
    accepted.close()


class AnsweringSocket(ScriptedSocket):
    """Answers once it was sent something, as servers do."""

    def __init__(self, *messages: Any) -> None:
        super().__init__(*messages)
        self._was_sent = threading.Event()

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        assert self._was_sent.wait(60)
        return super().receive(timeout)

    def send(self, message: str | bytes) -> None:
        super().send(message)
        self._was_sent.set()


def relay_of(shop: CommandLine, accepted: socket.socket, remote: ScriptedSocket, ended: list[Any]) -> Any:
    transport = PortalTransport(sockets=[remote])
    terminal = UserTerminal(io.StringIO(), io.StringIO(), io.StringIO(), shop.environ)
    session = CliSession(terminal, Namespace(), lambda _ca: transport)
    (container,) = session.api.list_all("containers", removed_null=1)
    return PortRelay(session, container, 80, accepted, lambda: ended.append(1)), transport, terminal


def test_what_is_sent_and_answered_passes(shop: CommandLine, pair: tuple[socket.socket, socket.socket]):
    program, accepted = pair
    program.sendall(b"GET / HTTP/1.0\r\n\r\n")
    program.shutdown(socket.SHUT_WR)
    remote = AnsweringSocket(b"HTTP/1.0 200 OK\r\n\xff", {"type": "end", "code": 0})
    ended: list[Any] = []
    relay, transport, terminal = relay_of(shop, accepted, remote, ended)
    relay.run()
    assert program.recv(1000) == b"HTTP/1.0 200 OK\r\n\xff"
    assert program.recv(1000) == b""
    assert b"".join(each for each in remote.sent if isinstance(each, bytes)).startswith(b"GET /")
    (body,) = [body for _method, path, body in transport.requests if "action=portforward" in path]
    assert body == {"port": 80}
    assert "/ws/forward?token=" in transport.opened[0]
    assert (ended, terminal.err.getvalue()) == ([1], "")


@pytest.mark.parametrize(
    ("remote", "words"),
    [
        (ScriptedSocket({"type": "end", "code": 1, "reason": "Nothing listens on port 80"}), "Nothing listens"),
        (ScriptedSocket(reason="going down"), "going down"),
        (ScriptedSocket("{"), "the connection ended"),
    ],
)
def test_why_a_connection_ends_is_said_and_ends_no_other(
    shop: CommandLine, pair: tuple[socket.socket, socket.socket], remote: ScriptedSocket, words: str
):
    ended: list[Any] = []
    relay, _transport, terminal = relay_of(shop, pair[1], remote, ended)
    relay.run()
    assert words in terminal.err.getvalue()
    assert ended == [1]
    assert pair[0].recv(10) == b""


@pytest.mark.parametrize(("text", "ports"), [("80", (80, 80)), ("8080:80", (8080, 80)), ("0:80", (0, 80))])
def test_ports_are_written_as_docker_writes_them(text: str, ports: tuple[int, int]):
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["", "x", "80:", ":80", "80:0", "65536", "70000:80", "1:2:3", "²"])
def test_what_is_no_port_is_refused(text: str):
    with pytest.raises(CliError, match="is no port"):
        parse_ports(text)


def test_what_does_not_run_or_may_not_be_entered_is_refused(shop: CommandLine):
    assert shop.fail("port-forward", "shop/web", "x").code == ExitCode.USAGE
    assert shop.fail("port-forward", "nothing", "80").code == ExitCode.NOT_FOUND
    shop.succeed("stop", "shop/web", "--wait")
    assert shop.fail("port-forward", "shop/web", "80").code == ExitCode.REFUSED
