"""The relay between processes: who proves nothing is refused, and the two directions end one by one."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from apps.hosts.models import PortalKey
from apps.hosts.tunnels import leases, open_tunnels, relay_server
from apps.hosts.tunnels.keys import _generate_keys, client_context, server_context

UUID = "0b7d1b5e-0000-4000-8000-000000000001"
KEYS = PortalKey(name="test", **_generate_keys())


class RecordingWriter:
    """A writing end that notes what comes."""

    def __init__(self, *, half: bool = True, fails: bool = False) -> None:
        self.got = b""
        self.ended = self.closed = False
        self._half, self._fails = half, fails

    def write(self, data: bytes) -> None:
        if self._fails:
            raise ConnectionResetError("gone")
        self.got += data

    async def drain(self) -> None:
        """Never full."""

    def can_write_eof(self) -> bool:
        return self._half

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True


class FakeTunnel:
    """A held tunnel: its engine says something and notes what it hears."""

    def __init__(self, answer: bytes = b"", *, fails: bool = False) -> None:
        self.answer, self.engine = answer, RecordingWriter(fails=fails)

    async def open_engine(self) -> tuple[asyncio.StreamReader, RecordingWriter]:
        return reading(self.answer), self.engine


def reading(data: bytes, *, ends: bool = True) -> asyncio.StreamReader:
    made = asyncio.StreamReader()
    made.feed_data(data)
    if ends:
        made.feed_eof()
    return made


def connect_to_relay(
    data: bytes, monkeypatch: pytest.MonkeyPatch, tunnel: FakeTunnel | None = None, *, ends: bool = True
) -> RecordingWriter:
    """A client connects to the relay and sends `data`."""
    out = RecordingWriter()
    monkeypatch.setattr(open_tunnels, "_tunnels", {UUID: tunnel} if tunnel else {})

    async def scenario() -> None:
        await relay_server._serve_connection(KEYS, reading(data, ends=ends), out)  # type: ignore[arg-type]

    asyncio.run(scenario())
    return out


def test_who_proves_it_is_joined_with_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    tunnel = FakeTunnel(b"HTTP/1.1 200 OK\r\n\r\n")
    out = connect_to_relay(relay_server.sign_request(KEYS, UUID) + b"GET /info HTTP/1.1\r\n\r\n", monkeypatch, tunnel)
    assert tunnel.engine.got == b"GET /info HTTP/1.1\r\n\r\n"
    assert out.got == b"HTTP/1.1 200 OK\r\n\r\n"
    assert (tunnel.engine.ended, out.ended, out.closed) == (True, True, True)


def test_a_host_whose_tunnel_is_elsewhere_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    out = connect_to_relay(relay_server.sign_request(KEYS, UUID), monkeypatch)
    assert (out.got, out.closed) == (b"", True)


@pytest.mark.parametrize(
    "request_data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"half a line", id="half a line"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a browser"),
        pytest.param(b"\x16\x03\x01\n", id="TLS in TLS"),
        pytest.param(b"x" * 100_000, id="a line without an end"),
        pytest.param(b"x" * 100_000 + b"\n", id="a long line"),
        pytest.param(f"{UUID} {'9' * 5000} mac\n".encode(), id="a time without an end"),
    ],
)
def test_who_proves_nothing_is_sent_away_and_nobody_else_hears_of_it(
    request_data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunnel = FakeTunnel(b"secret")
    out = connect_to_relay(request_data, monkeypatch, tunnel)
    assert (out.got, out.closed) == (b"", True)
    assert tunnel.engine.got == b""


def test_who_says_nothing_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_server, "_HANDSHAKE_TIMEOUT", 0.01)
    assert connect_to_relay(b"half", monkeypatch, FakeTunnel(), ends=False).closed


def test_a_line_that_breaks_while_it_is_used_is_closed_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    out = connect_to_relay(relay_server.sign_request(KEYS, UUID) + b"GET /", monkeypatch, FakeTunnel(b"x", fails=True))
    assert out.closed


@pytest.mark.parametrize(("half", "ended", "closed"), [(True, True, False), (False, False, True)])
def test_an_end_is_passed_on_as_far_as_the_other_side_knows_it(half: bool, ended: bool, closed: bool) -> None:
    out = RecordingWriter(half=half)

    async def scenario() -> None:
        await relay_server._copy_stream(reading(b"all of it"), out)

    asyncio.run(scenario())
    assert (out.got, out.ended, out.closed) == (b"all of it", ended, closed)


def shake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A handshake in memory; raises what either side thinks of it."""
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(a, b), server.wrap_bio(b, a, server_side=True)
    for side in (ours, theirs) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_the_installation_s_own_certificate_is_trusted_whatever_its_name() -> None:
    shake(client_context(KEYS.relay_certificate), server_context(KEYS.relay_certificate, KEYS.relay_key))


def test_no_other_certificate_is() -> None:
    other = _generate_keys()
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(client_context(KEYS.relay_certificate), server_context(other["relay_certificate"], other["relay_key"]))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
def test_older_tls_is_not_spoken(version: ssl.TLSVersion) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.maximum_version = False, version
    old.load_verify_locations(cadata=KEYS.relay_certificate)
    with pytest.raises(ssl.SSLError):
        shake(old, server_context(KEYS.relay_certificate, KEYS.relay_key))


class FakeHeldTunnel:
    """A tunnel as the register of tunnels sees it."""

    def __init__(self, host: str, *, socket: str = "/s", credential: int = 1, announced: bool = True) -> None:
        self.host_uuid, self.socket, self.credential_id, self.host_id = host, socket, credential, 7
        self.has_lease, self.ends = announced, []  # type: tuple[bool, list[int]]
        self.loop = asyncio.get_running_loop()

    def end(self, code: int, _reason: str) -> None:
        self.ends.append(code)


def on_register(act: Any, monkeypatch: pytest.MonkeyPatch, *, lost: set[str], ended: set[int]) -> Any:
    monkeypatch.setattr(open_tunnels, "_tunnels", {})
    monkeypatch.setattr(open_tunnels, "_renewal_tasks", {})
    monkeypatch.setattr(leases, "renew", lambda pairs: lost & {socket for _host, socket in pairs})
    monkeypatch.setattr(leases, "revoked_credentials", lambda keys: ended & set(keys))

    async def direct(call: Any, *args: Any) -> Any:
        return call(*args)

    monkeypatch.setattr(open_tunnels, "run_in_thread", direct)
    return asyncio.run(act())


def test_a_new_tunnel_takes_the_place_of_the_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        old, new, other = FakeHeldTunnel("a"), FakeHeldTunnel("a"), FakeHeldTunnel("b")
        for each in (old, other, new):
            open_tunnels.register(each)  # type: ignore[arg-type]
        assert (old.ends, new.ends, other.ends) == ([open_tunnels.REPLACED], [], [])
        assert open_tunnels.find_tunnel("a") is new  # type: ignore[comparison-overlap]
        open_tunnels.unregister(old)  # type: ignore[arg-type]
        assert open_tunnels.find_tunnel("a") is new  # type: ignore[comparison-overlap]
        open_tunnels.unregister(new)  # type: ignore[arg-type]
        open_tunnels.unregister(new)  # type: ignore[arg-type]
        assert open_tunnels.find_tunnel("a") is None
        assert open_tunnels.find_tunnel("b") is other  # type: ignore[comparison-overlap]

    on_register(act, monkeypatch, lost=set(), ended=set())


@pytest.mark.parametrize(
    ("lost", "ended", "codes"),
    [
        pytest.param(set(), set(), [], id="all is well"),
        pytest.param({"/s"}, set(), [open_tunnels.REPLACED], id="another process has it"),
        pytest.param(set(), {1}, [open_tunnels.REVOKED], id="the credential ended"),
        pytest.param({"/s"}, {1}, [open_tunnels.REVOKED], id="both: the weightier reason"),
        pytest.param({"/other"}, {2}, [], id="somebody else's"),
    ],
)
def test_what_counts_no_more_is_closed(
    lost: set[str], ended: set[int], codes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> list[int]:
        tunnel = FakeHeldTunnel("a")
        await open_tunnels._check_tunnels([tunnel])  # type: ignore[list-item]
        return tunnel.ends

    assert on_register(act, monkeypatch, lost=lost, ended=ended) == codes


def test_a_tunnel_that_is_not_announced_yet_has_no_lease_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> list[int]:
        tunnel = FakeHeldTunnel("a", announced=False)
        await open_tunnels._check_tunnels([tunnel])  # type: ignore[list-item]
        return tunnel.ends

    assert on_register(act, monkeypatch, lost={"/s"}, ended=set()) == []


def test_the_keeper_goes_with_the_last_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_tunnels, "RENEW_EVERY", 0)

    async def act() -> None:
        tunnel = FakeHeldTunnel("a")
        open_tunnels.register(tunnel)  # type: ignore[arg-type]
        (keeper,) = open_tunnels._renewal_tasks.values()
        await asyncio.sleep(0)
        open_tunnels.unregister(tunnel)  # type: ignore[arg-type]
        await asyncio.wait_for(keeper, 1)
        assert open_tunnels._renewal_tasks == {}

    on_register(act, monkeypatch, lost=set(), ended=set())


def test_a_database_that_is_away_for_a_moment_ends_no_tunnel(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(open_tunnels, "RENEW_EVERY", 0)

    async def act() -> None:
        tunnel = FakeHeldTunnel("a")

        def all_gone(_pairs: Any) -> set[str]:
            open_tunnels.unregister(tunnel)  # type: ignore[arg-type]
            return set()

        def away(_pairs: Any) -> Any:
            monkeypatch.setattr(leases, "renew", all_gone)
            raise RuntimeError("the database is away")

        monkeypatch.setattr(leases, "renew", away)
        open_tunnels.register(tunnel)  # type: ignore[arg-type]
        await asyncio.wait_for(next(iter(open_tunnels._renewal_tasks.values())), 1)
        assert tunnel.ends == []

    on_register(act, monkeypatch, lost=set(), ended=set())
    assert "leases of tunnels" in caplog.text
