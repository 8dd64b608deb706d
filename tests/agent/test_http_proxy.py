"""An agent behind a proxy reaches its portal through it, and a TLS portal by its own certificate."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from corral_agent import registration
from corral_agent.registration import CannotRegister, PortalUnreachable
from tests.agent.harness import AgentHarness, RunScenario
from tests.fleet.certificates import Authority


class Proxy:
    """As small as CONNECT needs; `requests` are the places it was asked to connect to."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.refuse = False

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target = head.split()[:2]
        self.requests.append(f"{method} {target}")
        if self.refuse or method != "CONNECT":
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        place, _, port = target.rpartition(":")
        other, to_other = await asyncio.open_connection(place, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, to_other), pump(other, writer), return_exceptions=True)


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()
    sink.close()


def test_the_tunnel_goes_through_the_proxy(run_scenario: RunScenario, monkeypatch: pytest.MonkeyPatch):
    async def scenario(harness: AgentHarness) -> None:
        async with Proxy() as proxy:
            async with harness.agent():  # registers directly
                await harness.portal.tunnel()
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            async with harness.agent():
                await harness.portal.tunnel(2)
                assert b"200 OK" in await harness.request("GET /_ping HTTP/1.0", 2)
            assert proxy.requests == [f"CONNECT 127.0.0.1:{harness.portal.port}"]

    run_scenario(scenario)


def test_a_proxy_that_refuses_is_a_portal_that_is_away(
    run_scenario: RunScenario, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def scenario(harness: AgentHarness) -> None:
        async with Proxy() as proxy:
            async with harness.agent():
                await harness.portal.tunnel()
            proxy.refuse = True
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            async with harness.agent():
                await harness.portal.until(lambda: len(proxy.requests) >= 2)
            assert len(harness.portal.tunnels) == 1
            assert "disconnected" in caplog.text
            assert not harness.state["refused"]

    caplog.set_level("WARNING")
    run_scenario(scenario)


def test_places_without_a_proxy_are_reached_directly(run_scenario: RunScenario, monkeypatch: pytest.MonkeyPatch):
    async def scenario(harness: AgentHarness) -> None:
        async with Proxy() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            async with harness.agent():
                await harness.portal.tunnel()
            assert proxy.requests == []

    run_scenario(scenario)


@pytest.mark.parametrize(("known", "words"), [(False, "certificate"), (True, "copy a new command")])
def test_a_tls_portal_is_known_by_its_certificate(tmp_path: Path, *, known: bool, words: str):
    authority = Authority()
    pair = authority.issue("portal", "127.0.0.1", client=False)
    (tmp_path / "pair.pem").write_text(pair.cert + pair.key)
    (tmp_path / "ca.pem").write_text(authority.pem)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "pair.pem")
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/scripts/t"
        with pytest.raises((PortalUnreachable, CannotRegister), match=words):
            await asyncio.to_thread(registration.register, url, str(tmp_path / "ca.pem") if known else "", "", {})
        server.close()

    asyncio.run(main())
