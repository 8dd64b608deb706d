"""Engines behind SSH: whom Corral trusts, how it logs in, and sockets that behave as any other."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from apps.drivers.base import (
    CredentialRefused,
    Endpoint,
    EngineDown,
    EngineRefused,
    HostKeyRefused,
)
from apps.drivers.docker.connections import close_connection, connect
from apps.drivers.docker.engine import DockerDriver
from apps.drivers.docker.http import send_request
from apps.drivers.ssh import keys, login
from tests.drivers.ssh_server import PASSWORD, SshServer, drain_portal_loop

Serve = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    made = SshServer()
    yield made
    made.stop()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Callable[[Serve], str]]:
    """Serves a unix socket on the far side, each client in a thread of its own; the socket's path."""
    listeners: list[socket.socket] = []

    def start(serve: Serve) -> str:
        listener = socket.create_server(str(tmp_path / f"{len(listeners)}.sock"), family=socket.AF_UNIX)
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve_and_close, args=(client,), daemon=True).start()

        def serve_and_close(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                serve(client)

        threading.Thread(target=accept, daemon=True).start()
        return str(listener.getsockname())

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def reach(server: SshServer) -> Iterator[Callable[..., Endpoint]]:
    """Makes endpoints on the server; their connections are let go of afterwards."""
    made: list[Endpoint] = []

    def make(path: str = "/nowhere", **changes: str) -> Endpoint:
        url = f"ssh://ops@127.0.0.1:{server.port}{path}"
        base = Endpoint(url, host_key=server.public, private_key=server.private_key)
        made.append(dataclasses.replace(base, **changes))
        return made[-1]

    yield make
    for endpoint in made:
        close_connection(endpoint)
    server.drop()


def echo(client: socket.socket) -> None:
    """Says everything back, and after the end how much that was."""
    total = 0
    while data := client.recv(65536):
        client.sendall(data)
        total += len(data)
    client.sendall(f"[{total}]".encode())


def _send_all(sock: socket.socket, blob: bytes) -> None:
    sock.sendall(blob)
    sock.shutdown(socket.SHUT_WR)


def everything(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_bytes_go_both_ways_and_each_side_ends_for_itself(far: Callable[[Serve], str], reach: Callable[..., Endpoint]):
    with connect(reach(far(echo))) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock) == b"[5]"


def test_much_goes_through_whole(far: Callable[[Serve], str], reach: Callable[..., Endpoint]):
    blob = bytes(range(256)) * 20000
    with connect(reach(far(echo))) as sock:
        threading.Thread(target=_send_all, args=(sock, blob), daemon=True).start()
        assert everything(sock) == blob + f"[{len(blob)}]".encode()


def test_who_does_not_read_holds_nobody_up(far: Callable[[Serve], str], reach: Callable[..., Endpoint]):
    sent = []

    def flood(client: socket.socket) -> None:
        client.settimeout(0.3)
        try:
            while True:
                sent.append(client.send(b"x" * 65536))
        except OSError:
            return

    flooded, quick = reach(far(flood)), far(echo)
    with connect(flooded):
        time.sleep(0.5)
        assert sum(sent) < 32 * 1024 * 1024, "what nobody reads piles up somewhere"
        with connect(reach(quick)) as other:
            other.sendall(b"still here")
            assert other.recv(10) == b"still here"


def test_one_connection_carries_them_all(
    server: SshServer, far: Callable[[Serve], str], reach: Callable[..., Endpoint]
):
    endpoint = reach(far(echo))
    socks = [connect(endpoint) for _ in range(5)]
    assert len(server.connections) == 1
    for sock in socks:
        sock.close()
    close_connection(endpoint)
    with connect(endpoint) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    assert len(server.connections) == 2


def test_many_who_come_at_once_share_the_log_in(
    server: SshServer, far: Callable[[Serve], str], reach: Callable[..., Endpoint]
):
    endpoint, got = reach(far(echo)), []
    threads = [threading.Thread(target=lambda: got.append(connect(endpoint))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(got), len(server.connections)) == (8, 1)
    for sock in got:
        sock.close()


def test_a_lost_connection_ends_its_sockets_and_the_next_makes_another(
    server: SshServer, far: Callable[[Serve], str], reach: Callable[..., Endpoint]
):
    endpoint = reach(far(echo))
    with connect(endpoint) as sock:
        sock.settimeout(5)
        server.drop()
        assert sock.recv(1) == b""
    drain_portal_loop()
    with connect(endpoint) as again:
        again.sendall(b"x")
        assert again.recv(1) == b"x"


def test_what_is_no_socket_there_is_named(reach: Callable[..., Endpoint]):
    with pytest.raises(ConnectionRefusedError, match="/nothing/here cannot be opened there"):
        connect(reach("/nothing/here"))
    with pytest.raises(EngineDown, match="/nothing/here"):
        DockerDriver(reach("/nothing/here")).ping()


def test_an_unpinned_server_is_refused_and_its_key_reported(server: SshServer, reach: Callable[..., Endpoint]):
    with pytest.raises(HostKeyRefused, match="compare it") as refused:
        connect(reach(host_key=""))
    assert refused.value.presented_key == server.public
    assert keys.fingerprint(server.public) in str(refused.value)


def test_before_the_key_is_confirmed_nobody_logs_in(server: SshServer, reach: Callable[..., Endpoint]):
    before = len(server.users)
    with pytest.raises(HostKeyRefused):
        connect(reach(host_key="", private_key="", password=PASSWORD))
    assert len(server.users) == before


def test_another_key_than_the_pinned_one_is_refused_in_words(server: SshServer, reach: Callable[..., Endpoint]):
    other = keys.public_key_line(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(HostKeyRefused, match="another key than the one that was confirmed") as refused:
        connect(reach(host_key=other))
    assert keys.fingerprint(other) in str(refused.value)
    assert refused.value.retry is False


def test_a_print_pins_as_well_as_the_key(
    server: SshServer, far: Callable[[Serve], str], reach: Callable[..., Endpoint]
):
    with connect(reach(far(echo), host_key=keys.fingerprint(server.public))) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


@pytest.mark.parametrize("text", ["nonsense", "ssh-ed25519 nonsense", "MD5:12:34", "ssh-ed25519"])
def test_what_is_no_host_key_is_said(reach: Callable[..., Endpoint], text: str):
    with pytest.raises(HostKeyRefused, match="This is not a host key"):
        connect(reach(host_key=text))


def test_a_password_lets_in_too(far: Callable[[Serve], str], reach: Callable[..., Endpoint]):
    with connect(reach(far(echo), private_key="", password=PASSWORD)) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"private_key": "", "password": "wrong"}, "password", "does not let ops in with this password"),
        ({"private_key": "", "password": ""}, "password", "does not let ops in"),
        ({"private_key": "rubbish"}, "private_key", "not a private key"),
    ],
)
def test_what_does_not_let_in_names_its_field(
    reach: Callable[..., Endpoint], changes: dict[str, str], field: str, words: str
):
    with pytest.raises(CredentialRefused, match=words) as refused:
        connect(reach(**changes))
    assert refused.value.field == field


def test_an_unknown_key_is_refused(reach: Callable[..., Endpoint]):
    unknown_key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(CredentialRefused, match="private key") as refused:
        connect(reach(private_key=unknown_key))
    assert unknown_key not in str(refused.value)


def test_a_locked_key_opens_with_its_passphrase_only(
    server: SshServer, far: Callable[[Serve], str], reach: Callable[..., Endpoint]
):
    locked = server.locked_key("pass phrase")
    with connect(reach(far(echo), private_key=locked, password="pass phrase")) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    for wrong in ("", "other"):
        with pytest.raises(CredentialRefused, match="passphrase") as refused:
            connect(reach(private_key=locked, password=wrong))
        assert refused.value.field == "password"


def test_who_is_no_ssh_server_is_said_soon(reach: Callable[..., Endpoint], server: SshServer):
    with socket.create_server(("127.0.0.1", 0)) as deaf:

        def answer() -> None:
            client, _ = deaf.accept()
            with client:
                client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises((EngineRefused, OSError)):
            connect(Endpoint(f"ssh://ops@127.0.0.1:{deaf.getsockname()[1]}", host_key=server.public))


def test_nobody_there_is_an_engine_that_is_down(server: SshServer):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(EngineDown, match="cannot be reached"):
        DockerDriver(Endpoint(f"ssh://ops@127.0.0.1:{port}", host_key=server.public)).ping()


def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch, server: SshServer):
    monkeypatch.setattr(login, "LOGIN_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint(f"ssh://ops@127.0.0.1:{silent.getsockname()[1]}", host_key=server.public)
        began = time.monotonic()
        with pytest.raises(EngineDown, match="in time"):
            DockerDriver(endpoint).ping()
        assert time.monotonic() - began < 3


def test_an_answer_of_the_engine_comes_through(far: Callable[[Serve], str], reach: Callable[..., Endpoint]):
    def engine(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\n{}\n")

    reply = send_request(reach(far(engine)), "GET", "/version")
    assert b"".join(reply) == b"{}\n"
    reply.close()


def test_secrets_are_not_in_an_endpoints_print(reach: Callable[..., Endpoint], server: SshServer):
    text_form = repr(reach(password="s3cret"))
    assert server.private_key not in text_form
    assert "s3cret" not in text_form


@pytest.mark.parametrize("kind", ["ecdsa-sha2-nistp256", "ssh-rsa"])
def test_servers_with_older_kinds_of_keys(far: Callable[[Serve], str], kind: str):
    old = SshServer(kind)
    endpoint = Endpoint(f"ssh://ops@127.0.0.1:{old.port}{far(echo)}", host_key=old.public, private_key=old.private_key)
    with connect(endpoint) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    close_connection(endpoint)
    old.stop()
