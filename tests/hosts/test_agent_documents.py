"""The portal's end of an agent's documents: each goes out when it changes, reports come in, trouble passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from apps.hosts import host_versions
from apps.hosts.documents import agent_documents
from apps.hosts.documents.agent_documents import AgentDocuments
from apps.hosts.documents.sources import DocumentSource, DocumentVersions
from apps.hosts.host_versions import HostVersions
from corral_agent import agent_api
from corral_agent.documents import DocumentHandler, HostDocuments
from tests.agent.checking_agent import CheckingAgent
from tests.agent.document_recorder import Recorder
from tests.hosts.agent_tunnel import Tunnel, until

HOST = 7


class Names(DocumentSource):
    """One document, and what was reported of it."""

    name = "names"

    def __init__(self) -> None:
        self.version, self.builds = "1", 0
        self.document: dict[str, Any] = {"records": ["a"]}
        self.reports: list[Mapping[str, Any]] = []
        self.unsupported: list[str] = []
        self.failures: list[Exception] = []
        self.faults: list[Exception] = []

    def versions(self) -> Mapping[int, str]:
        if self.failures:
            raise self.failures.pop()
        return {HOST: self.version}

    def build(self, host_id: int) -> dict[str, Any]:
        assert host_id == HOST
        self.builds += 1
        if self.faults:
            raise self.faults.pop()
        return dict(self.document)

    def on_status(self, host_id: int, status: Mapping[str, Any]) -> None:
        assert host_id == HOST
        self.reports.append(status)
        if status["state"] == "odd":
            raise ValueError("a bug")

    def on_unsupported(self, host_id: int, reason: str) -> None:
        assert host_id == HOST
        self.unsupported.append(reason)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Names]:
    async def run_here(call: Any, *args: Any) -> Any:
        return call(*args)

    names = Names()
    registered: dict[str, DocumentSource] = {"names": names}
    monkeypatch.setattr(agent_documents, "sources", registered)
    monkeypatch.setattr(agent_documents, "versions", HostVersions(DocumentVersions(registered).read, 0.01))
    monkeypatch.setattr(agent_documents, "run_in_thread", run_here)
    monkeypatch.setattr(host_versions, "run_in_thread", run_here)
    monkeypatch.setattr(host_versions, "RETRY_DELAY", 0.02)
    monkeypatch.setattr(agent_documents, "RETRY_DELAY", 0.02)
    monkeypatch.setattr(agent_api, "_REPORTS_BATCH", 0.01)

    def run(
        scenario: Callable[[CheckingAgent, Recorder, Names, Tunnel], Awaitable[None]], hello: Mapping[str, Any]
    ) -> Names:
        async def main() -> None:
            recorder = Recorder()
            handlers: dict[str, DocumentHandler] = {"names": recorder}
            agent = CheckingAgent(tmp_path, handlers)
            agent.documents.start()
            async with agent.listening():
                tunnel = Tunnel(agent)
                task = asyncio.ensure_future(AgentDocuments(HOST, tunnel, dict(hello)).run())  # type: ignore[arg-type]
                await scenario(agent, recorder, names, tunnel)
                assert not task.done()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                tunnel.cut()

        asyncio.run(main())
        return names

    return run


def records(recorder: Recorder) -> list[Any]:
    return [document["records"] for document in recorder.applied]


def test_a_document_goes_out_once_and_again_when_it_changes(play: Callable[..., Names]):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        await until(lambda: bool(recorder.applied))
        await asyncio.sleep(0.05)
        names.document, names.version = {"records": ["b"]}, "2"
        await until(lambda: len(recorder.applied) > 1)
        assert records(recorder) == [["a"], ["b"]]
        first, second = (document["version"] for document in recorder.applied)
        assert first < second
        await until(lambda: names.reports[-1:] == [{"state": "applied"}])

    play(scenario, {"documents": ["names", "unknown"]})


def test_a_document_that_says_the_same_is_not_sent_again(play: Callable[..., Names]):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        await until(lambda: bool(recorder.applied))
        names.version = "2"
        await until(lambda: names.builds == 2)
        names.document, names.version = {"records": ["b"]}, "3"
        await until(lambda: len(recorder.applied) > 1)
        assert records(recorder) == [["a"], ["b"]]

    play(scenario, {"documents": ["names"]})


def test_what_an_agent_has_kept_is_not_sent_again(play: Callable[..., Names], tmp_path: Path):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        await until(lambda: names.builds == 1)
        names.document, names.version = {"records": ["b"]}, "2"
        await until(lambda: len(recorder.applied) > 1)
        assert records(recorder) == [["a"], ["b"]], "the first is the one of its own disk"

    before = HostDocuments(tmp_path, {"names": Recorder()})
    before.put("names", {"records": ["a"], "version": 1})
    assert list(before.digests) == ["names"]
    play(scenario, {"documents": ["names"], "documentDigests": before.digests})


def test_reports_go_on_after_a_broken_stream(play: Callable[..., Names]):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, tunnel: Tunnel) -> None:
        await until(lambda: bool(names.reports))
        tunnel.cut()
        recorder.state = "failing"
        recorder.changed()
        await until(lambda: names.reports[-1] == {"state": "failing"})

    play(scenario, {"documents": ["names"]})


def test_a_refused_document_is_sent_again_later(play: Callable[..., Names]):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        names.document, names.version = {"bad": True}, "2"
        await asyncio.sleep(0.05)
        names.document = {"records": ["c"]}  # another cause than the version: the next attempt finds it
        await until(lambda: ["c"] in records(recorder)[-1:])

    play(scenario, {"documents": ["names"]})


def test_a_fault_in_what_makes_a_document_ends_nothing(play: Callable[..., Names]):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        await until(lambda: bool(recorder.applied))
        names.faults, names.document, names.version = [ValueError("a bug")], {"records": ["b"]}, "2"
        await until(lambda: records(recorder)[-1:] == [["b"]])
        assert not names.faults

    play(scenario, {"documents": ["names"]})


def test_a_fault_in_what_reads_versions_or_reports_ends_nothing(play: Callable[..., Names]):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        names.failures = [ValueError("a bug")]
        await until(lambda: bool(recorder.applied) and not names.failures)
        recorder.state = "odd"
        recorder.changed()
        await until(lambda: names.reports[-1:] == [{"state": "odd"}])
        names.failures, names.document, names.version = [ValueError("a bug")], {"records": ["b"]}, "2"
        await until(lambda: records(recorder)[-1:] == [["b"]])

    play(scenario, {"documents": ["names"]})


def test_what_is_reported_again_is_not_taken_over_again(play: Callable[..., Names], monkeypatch: pytest.MonkeyPatch):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        await until(lambda: bool(recorder.applied) and bool(names.reports))
        for number in range(3):
            recorder.changed()  # of another subject
            await asyncio.sleep(0.03)
            recorder.state = f"state {number}"
            recorder.changed()
            await until(lambda: names.reports[-1]["state"] == recorder.state)
        before = len(names.reports)
        monkeypatch.setattr(agent_documents, "REPEAT_SECONDS", 0.0)
        recorder.changed()
        await until(lambda: len(names.reports) > before)
        assert names.reports[-1] == names.reports[-2]

    names = play(scenario, {"documents": ["names"]})
    states = [report["state"] for report in names.reports]
    assert [states.count(f"state {number}") for number in range(2)] == [1, 1]


def test_a_database_that_is_away_for_a_moment_breaks_nothing(play: Callable[..., Names]):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        names.failures = [OperationalError("away")]
        await until(lambda: not names.failures and bool(recorder.applied))

    play(scenario, {"documents": ["names"]})


@pytest.mark.parametrize(
    ("hello", "reason"),
    [({}, "too old"), ({"documents": []}, "too old"), ({"documents": [], "readOnly": True}, "read-only")],
)
def test_an_agent_that_does_not_take_it_is_noted_once(
    play: Callable[..., Names], hello: Mapping[str, Any], reason: str
):
    async def scenario(_: CheckingAgent, recorder: Recorder, names: Names, __: Tunnel) -> None:
        await until(lambda: bool(names.unsupported))
        await asyncio.sleep(0.05)
        assert recorder.applied == []

    names = play(scenario, hello)
    assert len(names.unsupported) == 1
    assert reason in names.unsupported[0]
