"""The documents of a host: whole, kept on disk, applied again by an agent that starts while the portal is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent import agent_api as own_module
from corral_agent.documents import HostDocuments
from tests.agent.checking_agent import CheckingAgent
from tests.agent.document_recorder import Recorder


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(own_module, "_REPORTS_BATCH", 0.01)

    def run(scenario: Callable[[CheckingAgent, Recorder], Awaitable[None]], **options: bool) -> None:
        async def main() -> None:
            recorder = Recorder()
            agent = CheckingAgent(tmp_path, {"names": recorder}, read_only=options.get("read_only", False))
            agent.documents.start()
            async with agent.listening():
                await scenario(agent, recorder)

        asyncio.run(main())

    return run


def test_documents_are_applied_and_reported(play: Callable[..., None]):
    async def scenario(agent: CheckingAgent, recorder: Recorder) -> None:
        lines = agent.lines("documents")
        assert await anext(lines) == {"versions": {}, "status": {"names": {"state": "waiting"}}}
        assert await agent.put({"version": 5, "a": 1}, "documents/names") == (200, {"version": 5})
        assert await anext(lines) == {"versions": {"names": 5}, "status": {"names": {"state": "applied"}}}
        recorder.state = "failing"
        recorder.changed()
        assert (await anext(lines))["status"] == {"names": {"state": "failing"}}
        assert recorder.applied == [{"version": 5, "a": 1}]

    play(scenario)


def test_while_nothing_changes_everything_is_reported_again_only_after_a_while(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    async def scenario(agent: CheckingAgent, recorder: Recorder) -> None:
        lines = agent.lines("documents")
        whole = await anext(lines)
        assert [await anext(lines) for _ in range(2)] == [{}, {}]
        recorder.state = "failing"
        recorder.changed()
        assert (await anext(lines))["status"] == {"names": {"state": "failing"}}
        assert await anext(lines) == {}
        monkeypatch.setattr(own_module, "_REPORTS_REPEAT", 0.0)
        assert [await anext(lines) for _ in range(2)] == [{**whole, "status": {"names": {"state": "failing"}}}] * 2

    monkeypatch.setattr(own_module, "_REPORTS_QUIET", 0.01)
    play(scenario)


@pytest.mark.parametrize(
    ("path", "document", "status", "reason"),
    [
        ("documents/names", {"version": 1, "bad": True}, 400, "it is bad"),
        ("documents/names", {"a": 1}, 400, "it has no version"),
        ("documents/names", {"version": "1"}, 400, "it has no version"),
        ("documents/names", {"version": True}, 400, "it has no version"),
        ("documents/other", {"version": 1}, 404, "takes no /corral/v1/documents/other"),
        ("documents/Names", {"version": 1}, 404, "takes no"),
        ("documents/names/more", {"version": 1}, 404, "takes no"),
    ],
)
def test_what_is_refused_changes_nothing(
    play: Callable[..., None], path: str, document: dict[str, Any], status: int, reason: str
):
    async def scenario(agent: CheckingAgent, recorder: Recorder) -> None:
        await agent.put({"version": 3}, "documents/names")
        answer = await agent.put(document, path)
        assert answer[0] == status
        assert reason in answer[1]["message"]
        assert recorder.applied == [{"version": 3}]
        assert agent.documents.report()["versions"] == {"names": 3}

    play(scenario)


def test_a_read_only_agent_takes_none(play: Callable[..., None]):
    async def scenario(agent: CheckingAgent, recorder: Recorder) -> None:
        assert (await agent.put({"version": 3}, "documents/names"))[0] == 403
        assert recorder.applied == []

    play(scenario, read_only=True)


def test_what_was_kept_is_applied_before_the_portal_is_reached(tmp_path: Path):
    first, second = Recorder(), Recorder()
    documents = HostDocuments(tmp_path, {"names": first})
    documents.start()
    documents.put("names", {"version": 8, "records": ["a"]})
    again = HostDocuments(tmp_path, {"names": second})
    again.start()
    assert second.applied == [{"version": 8, "records": ["a"]}]
    assert again.report()["versions"] == {"names": 8}
    assert (tmp_path / "documents" / "names.json").stat().st_mode & 0o777 == 0o600


def test_that_none_was_kept_yet_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    HostDocuments(tmp_path, {"names": Recorder()}).start()
    assert caplog.records == []
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "names.json").write_text("{")
    HostDocuments(tmp_path, {"names": Recorder()}).start()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "bad": true}', "\x00"])
def test_a_damaged_file_is_not_used(tmp_path: Path, text: str):
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "names.json").write_text(text)
    recorder = Recorder()
    documents = HostDocuments(tmp_path, {"names": recorder})
    documents.start()
    assert recorder.applied == []
    documents.put("names", {"version": 2})
    assert json.loads((tmp_path / "documents" / "names.json").read_text()) == {"version": 2}


def test_without_a_disk_documents_are_applied_all_the_same(tmp_path: Path):
    (tmp_path / "documents").write_text("a file where the folder should be")
    recorder = Recorder()
    documents = HostDocuments(tmp_path, {"names": recorder})
    documents.start()
    assert documents.put("names", {"version": 2}) == 2
    assert recorder.applied == [{"version": 2}]


def test_closing_one_that_fails_still_closes_the_others(tmp_path: Path):
    class Failing(Recorder):
        async def close(self) -> None:
            raise RuntimeError

    recorder = Recorder()
    asyncio.run(HostDocuments(tmp_path, {"bad": Failing(), "names": recorder}).close())
    assert recorder.closed
