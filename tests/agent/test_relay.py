"""What the proxy lets through reaches the engine as one plain request each; anything else gets a message."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.agent.fake_engine import reply
from tests.agent.proxy_client import ProxyClient, RunProxyScenario

ID = "f" * 64


def test_a_request_passes_and_its_answer_comes_back_as_it_is(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        got = await engine_proxy.send_raw(
            "GET /v1.41/info?x=%20 HTTP/1.1\nHost: docker\nX-Registry-Auth: abc\nAccept: */*\n\n"
        )
        assert got == reply(b"OK")
        (requests,) = engine_proxy.engine.requests
        assert requests.startswith(b"GET /v1.41/info?x=%20 HTTP/1.1\r\nHost: engine\r\n")
        assert b"X-Registry-Auth: abc\r\n" in requests

    run_proxy_scenario(scenario)


def test_many_requests_share_a_connection_and_each_has_its_own_to_the_engine(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        got = await engine_proxy.send_raw("GET /_ping HTTP/1.1\n\n" * 5)
        assert got == reply(b"OK") * 5
        assert len(engine_proxy.engine.requests) == 5
        assert engine_proxy.engine.open == 0

    run_proxy_scenario(scenario)


@pytest.mark.parametrize("head", ["GET /_ping HTTP/1.0\n\n", "GET /_ping HTTP/1.1\nConnection: close\n\n"])
def test_a_connection_that_is_to_end_ends(run_proxy_scenario: RunProxyScenario, head: str):
    async def scenario(engine_proxy: ProxyClient) -> None:
        assert await engine_proxy.send_raw(head + "GET /_ping HTTP/1.1\n\n") == reply(b"OK")
        assert len(engine_proxy.engine.requests) == 1

    run_proxy_scenario(scenario)


def test_words_about_the_connection_are_not_passed_on(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        await engine_proxy.send_raw(
            "GET /_ping HTTP/1.1\nConnection: keep-alive\nKeep-Alive: 5\nTE: trailers\nTrailer: X\nHost: evil\n\n"
        )
        (requests,) = engine_proxy.engine.requests
        for word in (b"keep-alive", b"trailers", b"Trailer", b"evil"):
            assert word not in requests

    run_proxy_scenario(scenario)


def test_a_body_that_looks_like_a_request_stays_a_body(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        hidden = b"POST /plugins/x HTTP/1.1\r\n\r\n"
        seen: list[bytes] = []

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            seen.append(await reader.readexactly(len(hidden)))
            writer.write(reply(b"taken"))

        engine_proxy.engine.respond = take
        got = await engine_proxy.send_raw(
            b"POST /images/load HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(hidden), hidden)
        )
        assert got == reply(b"taken")
        assert seen == [hidden]
        assert len(engine_proxy.engine.requests) == 1

    run_proxy_scenario(scenario)


@pytest.mark.parametrize("old", [True, False])
def test_json_arrives_whole_and_with_its_length_however_it_was_sent(run_proxy_scenario: RunProxyScenario, *, old: bool):
    body = json.dumps({"Image": "bb", "Labels": {"a": "b" * 300}}).encode()

    async def scenario(engine_proxy: ProxyClient) -> None:
        seen: list[bytes] = []

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            seen.append(await reader.readexactly(len(body)))
            writer.write(reply(b"{}", "201 Created"))

        engine_proxy.engine.respond = take
        if old:
            sent = b"POST /containers/create HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            halves = (body[:100], body[100:])
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves)
            sent = b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks
        assert b"201 Created" in await engine_proxy.send_raw(sent)
        assert seen == [body]
        assert b"Content-Length: %d\r\n" % len(body) in engine_proxy.engine.requests[0]
        assert b"chunked" not in engine_proxy.engine.requests[0]

    run_proxy_scenario(scenario)


def test_a_long_body_streams_through_in_chunks(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            got = await reader.readuntil(b"0\r\n\r\n")
            writer.write(reply(str(got.count(b"x")).encode()))

        engine_proxy.engine.respond = take
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        got = await engine_proxy.send_raw(
            b"POST /images/load HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n"
        )
        assert got == reply(str(3 * 0x4000).encode())

    run_proxy_scenario(scenario)


@pytest.mark.parametrize(
    "broken", [b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3;ext=1\r\nabc\r\n0\r\n\r\n", b"-1\r\n"]
)
def test_broken_chunks_end_both_connections(run_proxy_scenario: RunProxyScenario, broken: bytes):
    async def scenario(engine_proxy: ProxyClient) -> None:
        ended = asyncio.Event()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            await reader.read()
            ended.set()

        engine_proxy.engine.respond = take
        await engine_proxy.send_raw(b"POST /images/load HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + broken, 2)
        await asyncio.wait_for(ended.wait(), 3)

    run_proxy_scenario(scenario)


def test_a_taken_connection_carries_both_ways_and_early_bytes(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            await reader.readexactly(2)
            writer.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ")
            writer.write((await reader.readexactly(4)).upper())
            await writer.drain()
            writer.write(b" end:" + await reader.read())

        engine_proxy.engine.respond = take
        reader, writer = await engine_proxy.open()
        writer.write(
            b"POST /exec/1/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}keys"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert await reader.readexactly(10) == b"early KEYS"
        writer.write(b"GET /plugins HTTP/1.1\r\n\r\n")
        writer.write_eof()
        assert await reader.read() == b" end:GET /plugins HTTP/1.1\r\n\r\n"
        assert b"Upgrade: tcp" in engine_proxy.engine.requests[0]
        writer.close()

    run_proxy_scenario(scenario)


def test_a_takeover_that_the_engine_refuses_is_an_answer(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            await reader.readexactly(2)
            writer.write(reply(b'{"message":"no such exec"}', "404 Not Found"))

        engine_proxy.engine.respond = refuse
        head = "POST /exec/1/start HTTP/1.1\nConnection: Upgrade\nUpgrade: tcp\nContent-Length: 2\n\n{}"
        assert b"404 Not Found" in await engine_proxy.send_raw(head)

    run_proxy_scenario(scenario)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 101 UPGRADED\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: 1\n\r\n\r\n", b""]
)
def test_a_malformed_engine_answer_is_not_passed_on(run_proxy_scenario: RunProxyScenario, answer: bytes):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def malformed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(answer)

        engine_proxy.engine.respond = malformed
        got = await engine_proxy.send_raw("GET /info?1 HTTP/1.1\n\n")
        assert b"SSH" not in got
        assert b"UPGRADED" not in got
        assert b" 502 " in got or b"200 OK" not in got

    run_proxy_scenario(scenario)


def test_chunked_and_endless_answers_come_through(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

        engine_proxy.engine.respond = chunks
        got = await engine_proxy.send_raw(
            "GET /containers/json HTTP/1.1\n\nGET /containers/json HTTP/1.1\nConnection: close\n\n"
        )
        assert got.count(b"2\r\nde\r\n0\r\n\r\n") == 2
        engine_proxy.engine.respond = endless
        assert (await engine_proxy.send_raw("GET /containers/json HTTP/1.1\n\n")).endswith(b"until the end")

    run_proxy_scenario(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
    ],
)
def test_an_answer_that_breaks_off_breaks_off_here_too(run_proxy_scenario: RunProxyScenario, answer: bytes):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(answer)

        engine_proxy.engine.respond = half
        got = await engine_proxy.send_raw("GET /info?1 HTTP/1.1\n\nGET /_ping HTTP/1.1\n\n")
        assert got.count(b"HTTP/1.1") == 1
        assert b"half" in got
        assert not got.endswith(b"0\r\n\r\n")

    run_proxy_scenario(scenario)


def test_early_words_of_the_engine_are_left_out(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + reply(b"done"))

        engine_proxy.engine.respond = early
        assert await engine_proxy.send_raw("GET /info?1 HTTP/1.1\n\n") == reply(b"done")

    run_proxy_scenario(scenario)


def test_a_head_request_has_no_body(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        async def only_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")

        engine_proxy.engine.respond = only_head
        assert (await engine_proxy.send_raw("HEAD /_ping HTTP/1.1\n\n" * 2)).count(b"200 OK") == 2

    run_proxy_scenario(scenario)


def test_a_client_that_goes_ends_the_engines_stream(run_proxy_scenario: RunProxyScenario):
    async def scenario(engine_proxy: ProxyClient) -> None:
        ended = asyncio.Event()

        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nline\n")
            await reader.read()
            ended.set()

        engine_proxy.engine.respond = stream
        reader, writer = await engine_proxy.open()
        writer.write(b"GET /containers/web/logs?follow=1 HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"line\n")
        writer.close()
        await asyncio.wait_for(ended.wait(), 3)

    run_proxy_scenario(scenario)
