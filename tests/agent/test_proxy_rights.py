"""Files, the agent's own paths, read-only mode: what the proxy decides by more than a request's form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from corral_agent.engine_proxy import proxy, rules
from tests.agent.proxy_client import ProxyClient, RunProxyScenario, serve_proxy

ID = "f" * 64


def test_an_unreachable_engine_is_reported_with_a_message(tmp_path: Path, run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        engine_proxy.engine._server.close()
        (tmp_path / "engine.sock").unlink(missing_ok=True)
        for request_ in ("GET /info HTTP/1.1\n\n", "POST /containers/create HTTP/1.1\nContent-Length: 2\n\n{}"):
            status, words = await engine_proxy.read_refusal(request_)
            assert status == 503
            assert "cannot be reached" in words

    run_proxy_scenario(scenario)


def test_files_of_a_system_container_are_reached_under_its_full_id(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        engine_proxy.engine.labels = {rules.SYSTEM_LABEL: "balancer"}
        await engine_proxy.send_raw("PUT /v1.41/containers/web/archive?path=/etc HTTP/1.1\nContent-Length: 3\n\ntar")
        lookup, put = engine_proxy.engine.requests
        assert lookup.startswith(b"GET /v1.41/containers/web/json ")
        assert put.startswith(f"PUT /v1.41/containers/{ID}/archive?path=/etc ".encode())

    run_proxy_scenario(scenario)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_files_of_other_containers_stay_closed(run_proxy_scenario: RunProxyScenario, method: str):
    async def scenario(engine_proxy: ProxyClient) -> None:
        got = await engine_proxy.send_raw(f"{method} /containers/web/archive?path=/etc HTTP/1.1\n\n")
        assert b" 403 " in got
        assert rules.SYSTEM_LABEL.encode() in got
        assert len(engine_proxy.engine.requests) == 1

    run_proxy_scenario(scenario)


def test_the_agents_own_paths_are_its_own(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        got = await engine_proxy.send_raw("GET /corral/v1/hello?a=1 HTTP/1.1\n\n" * 2)
        assert got.count(b'{"own":"/corral/v1/hello","query":"a=1"}') == 2
        assert engine_proxy.engine.requests == []

    run_proxy_scenario(scenario)


def test_a_read_only_proxy_lets_nobody_write(tmp_path: Path):
    async def main() -> None:
        async with serve_proxy(tmp_path, read_only=True) as engine_proxy:
            assert b"200 OK" in await engine_proxy.send_raw("GET /info?1 HTTP/1.1\n\n")
            for request_ in (
                "POST /containers/web/stop HTTP/1.1\n\n",
                "DELETE /containers/web HTTP/1.1\n\n",
                "POST /containers/web/exec HTTP/1.1\nContent-Length: 2\n\n{}",
                "POST /containers/web/attach HTTP/1.1\nConnection: Upgrade\nUpgrade: tcp\n\n",
            ):
                status, words = await engine_proxy.read_refusal(request_)
                assert status == 403
                assert "CORRAL_READ_ONLY" in words

    asyncio.run(main())


def test_a_body_that_never_comes_is_not_waited_for_for_ever(
    run_proxy_scenario: RunProxyScenario, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(proxy, "_BODY_TIMEOUT", 0.05)

    async def scenario(engine_proxy: ProxyClient) -> None:
        assert await engine_proxy.send_raw("POST /containers/create HTTP/1.1\nContent-Length: 10\n\n{", 2) == b""
        assert engine_proxy.engine.requests == []

    run_proxy_scenario(scenario)
