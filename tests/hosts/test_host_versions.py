"""Versions of hosts: read once for all, and whoever serves a host hears of what is new, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError

from apps.hosts import host_versions
from apps.hosts.documents.sources import DocumentSource, DocumentVersions
from apps.hosts.host_versions import Follower, HostVersions
from tests.hosts.agent_tunnel import until


class Versions:
    """What is read, and how often it was."""

    def __init__(self) -> None:
        self.found: dict[int, str] = {}
        self.reads = 0
        self.failures: list[Exception] = []

    def __call__(self) -> Mapping[int, str]:
        self.reads += 1
        if self.failures:
            raise self.failures.pop()
        return dict(self.found)


@pytest.fixture
def play(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[Versions, HostVersions[str]], Coroutine[Any, Any, None]]], None]:
    async def run_here(call: Any, *args: Any) -> Any:
        return call(*args)

    monkeypatch.setattr(host_versions, "run_in_thread", run_here)
    monkeypatch.setattr(host_versions, "RETRY_DELAY", 0.001)

    def run(scenario: Callable[[Versions, HostVersions[str]], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(60):
                versions = Versions()
                await scenario(versions, HostVersions(versions, 0.001))

        asyncio.run(main())

    return run


class Server:
    """Serves one host: notes each version that it is notified with, and takes as long as `hold` says."""

    def __init__(self, follower: Follower[str]) -> None:
        self.follower, self.seen, self.free = follower, list[str | None](), asyncio.Event()
        self.free.set()
        self.task = asyncio.ensure_future(self._serve())

    async def _serve(self) -> None:
        while True:
            await self.follower.wait()
            self.seen.append(self.follower.version)
            await self.free.wait()


def _has_seen(server: Server, version: str) -> bool:
    return server.seen[-1:] == [version]


async def a_few_reads(versions: Versions, count: int = 5) -> None:
    until_reads = versions.reads + count
    await until(lambda: versions.reads >= until_reads)


def test_only_hosts_with_news_are_notified_and_one_look_serves_all(play: Any) -> None:
    async def scenario(versions: Versions, hosts: HostVersions[str]) -> None:
        versions.found = {1: "a", 2: "a"}
        with ExitStack() as stack:
            servers = [Server(stack.enter_context(hosts.follow(host))) for host in (1, 2, 3)]
            await a_few_reads(versions)
            assert [each.seen for each in servers] == [["a"], ["a"], []]
            versions.found = {1: "a", 2: "b", 3: "c"}
            await a_few_reads(versions)
            del versions.found[3]
            await a_few_reads(versions)
            assert [each.seen for each in servers] == [["a"], ["a", "b"], ["c", None]]
            late = Server(stack.enter_context(hosts.follow(2)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert late.seen == ["b"]  # without another look
        ended = versions.reads
        await asyncio.sleep(0.02)
        assert versions.reads == ended

    play(scenario)


def test_the_next_look_waits_until_all_have_what_is_new(play: Any) -> None:
    async def scenario(versions: Versions, hosts: HostVersions[str]) -> None:
        with hosts.follow(1) as first, hosts.follow(2) as second:
            servers = [Server(first), Server(second)]
            await a_few_reads(versions)
            servers[1].free.clear()
            versions.found = {1: "a", 2: "a"}
            await until(lambda: servers[1].seen == ["a"])
            before = versions.reads
            versions.found = {1: "b", 2: "b"}
            await asyncio.sleep(0.05)
            assert (versions.reads, servers[0].seen) == (before, ["a"])
            servers[1].free.set()
            await until(lambda: [each.seen[-1] for each in servers] == ["b", "b"])

    play(scenario)


def test_a_host_that_does_not_answer_holds_the_others_up_for_a_moment_only(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_versions, "LONGEST_WAVE", 0.02)

    async def scenario(versions: Versions, hosts: HostVersions[str]) -> None:
        with hosts.follow(1) as first, hosts.follow(2) as second:
            servers = [Server(first), Server(second)]
            servers[1].free.clear()
            for version in "abc":
                versions.found = {1: version, 2: version}
                await until(partial(_has_seen, servers[0], version))
            servers[1].free.set()
            await until(lambda: servers[1].seen == ["a", "c"])  # what came meanwhile is one change

    play(scenario)


@pytest.mark.parametrize("failure", [OperationalError("away"), ValueError("a bug")])
def test_a_failed_look_is_tried_again_and_loses_nothing(play: Any, failure: Exception) -> None:
    async def scenario(versions: Versions, hosts: HostVersions[str]) -> None:
        versions.found, versions.failures = {1: "a"}, [failure]
        with hosts.follow(1) as follower:
            server = Server(follower)
            await until(lambda: server.seen == ["a"])
            versions.failures = [failure]
            versions.found = {1: "b"}
            await until(lambda: server.seen == ["a", "b"])

    play(scenario)


def test_a_wait_with_a_limit_ends_without_news(play: Any) -> None:
    async def scenario(_: Versions, hosts: HostVersions[str]) -> None:
        with hosts.follow(1) as follower:
            await follower.wait(0.0)
            assert follower.version is None

    play(scenario)


def test_a_source_with_a_pause_is_read_less_often_and_its_versions_stay() -> None:
    reads = list[str]()

    class Source(DocumentSource):
        def __init__(self, name: str, pause: float) -> None:
            self.name, self.pause = name, pause

        def versions(self) -> Mapping[int, str]:
            reads.append(self.name)
            return {1: self.name}

    versions = DocumentVersions({"often": Source("often", 0.0), "seldom": Source("seldom", 3600.0)})
    assert [versions.read() for _ in range(3)] == [{1: {"often": "often", "seldom": "seldom"}}] * 3
    assert reads == ["often", "seldom", "often", "often"]
