"""What the proxy refuses is answered with a reason and never reaches the engine."""

from __future__ import annotations

import pytest

from corral_agent.engine_proxy import rules
from tests.agent.proxy_client import ProxyClient, RunProxyScenario

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET http://engine/info HTTP/1.1\n\n", 400),
        ("GET /containers/%2e%2e/json HTTP/1.1\n\n", 400),
        ("GET /containers/%252e%252e/json HTTP/1.1\n\n", 400),
        ("GET /info HTTP/1.1\nA: b\n folded\n\n", 400),
        ("POST /containers/web/start HTTP/1.1\nContent-Length: 0\nContent-Length: 0\n\n", 400),
        ("POST /images/load HTTP/1.1\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n", 400),
        ("GET /plugins HTTP/1.1\n\n", 403),
        ("POST /build?remote=http://x/ HTTP/1.1\nContent-Length: 3\n\nabc", 403),
        ("GET /info HTTP/1.1\nConnection: Upgrade\nUpgrade: h2c\n\n", 403),
        ("GET /info HTTP/1.1\nUpgrade: tcp\n\n", 403),
        ("POST /exec/1/start HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\nContent-Length: 2\n\n{}", 403),
        ("POST /exec/1/start HTTP/1.1\nConnection: Upgrade\nContent-Length: 2\n\n{}", 403),
        ("POST /exec/1/start HTTP/1.0\nConnection: Upgrade\nUpgrade: tcp\nContent-Length: 2\n\n{}", 403),
        ("POST /containers/web/start HTTP/1.1\nContent-Length: 2\n\n{}", 400),
        ("DELETE /containers/web HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n", 400),
        ("GET /info HTTP/1.1\nContent-Length: 5\n\nGET /", 400),
        ("POST /containers/create HTTP/1.1\n\n", 400),
        ("POST /containers/create HTTP/1.1\nContent-Length: 0\n\n", 400),
        ("POST /containers/create HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n", 400),
        ("POST /containers/create HTTP/1.1\nContent-Length: 4\n\nnull", 400),
        ("POST /containers/create HTTP/1.1\nContent-Length: 2\n\n[]", 400),
        ("POST /containers/create HTTP/1.1\nContent-Length: 3\n\n{}}", 400),
        ("POST /containers/web/exec HTTP/1.1\nContent-Length: 9\n\nnot-json!", 400),
        (f"POST /containers/create HTTP/1.1\nContent-Length: {rules.JSON_LIMIT + 1}\n\n{{", 413),
        ("POST /images/load HTTP/1.1\nExpect: 100-continue\nContent-Length: 1\n\nx", 417),
        ("POST /images/create?fromSrc=http://x HTTP/1.1\n\n", 403),
        (f"POST /images/create HTTP/1.1\nContent-Type: {FORM}\nContent-Length: 16\n\nfromSrc=http://x", 415),
        ("POST /images/create HTTP/1.1\nContent-Type: Multipart/Form-Data; boundary=x\nContent-Length: 1\n\nx", 415),
        ("POST /containers/web/start HTTP/1.1\nContent-Type: APPLICATION/X-WWW-FORM-URLENCODED; a=b\n\n", 415),
        ("POST /corral/v1/hello HTTP/1.1\n\n", 403),
        ("GET /corral/v1/hello HTTP/1.1\nContent-Length: 1\n\nx", 403),
    ],
)
def test_what_is_refused_never_reaches_the_engine(run_proxy_scenario: RunProxyScenario, request_: str, status: int):
    async def scenario(engine_proxy: ProxyClient) -> None:
        found, words = await engine_proxy.read_refusal(request_)
        assert found == status
        assert words[0].isupper()
        assert words.endswith(".")

    run_proxy_scenario(scenario)


def test_a_head_without_an_end_is_refused(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        status, words = await engine_proxy.read_refusal(b"GET /info HTTP/1.1\r\nX: " + b"a" * 70000)
        assert status == 431
        assert "65536" in words

    run_proxy_scenario(scenario)


def test_a_large_json_body_in_chunks_is_refused(run_proxy_scenario: RunProxyScenario, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rules, "JSON_LIMIT", 100)

    async def scenario(engine_proxy: ProxyClient) -> None:
        chunk = "40\r\n" + "a" * 64 + "\r\n"
        status, _ = await engine_proxy.read_refusal(
            f"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk * 3}0\r\n\r\n".encode()
        )
        assert status == 413

    run_proxy_scenario(scenario)


def test_what_follows_a_refusal_is_no_request(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        got = await engine_proxy.send_raw("GET /plugins HTTP/1.1\n\nGET /_ping HTTP/1.1\n\n")
        assert got.count(b"HTTP/1.1") == 1
        assert engine_proxy.engine.requests == []

    run_proxy_scenario(scenario)
