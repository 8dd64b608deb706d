"""The journal keeps the last events whatever happens to its agent."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from corral_agent import journal as journal_module
from corral_agent.journal import MAX_ENTRIES, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, clock=lambda: 1000.5)


def numbers(journal: Journal, after: int = 0, limit: int = 10_000) -> list[int]:
    return [line["seq"] for line in journal.after(after, limit)]


def test_an_empty_journal_has_nothing_to_tell(journal: Journal):
    assert (journal.first, journal.last) == (1, 0)
    assert journal.after(0, 100) == []


def test_a_line_tells_what_happened_when_and_to_whom(journal: Journal):
    journal.add("container", "die", "c1", attributes={"exitCode": "137"}, at=7.25)
    journal.add("agent", "connected")
    died, connected = journal.after(0, 10)
    assert died == {
        "seq": 1,
        "at": 7.25,
        "kind": "container",
        "action": "die",
        "id": "c1",
        "attributes": {"exitCode": "137"},
    }
    assert (connected["seq"], connected["at"], connected["attributes"]) == (2, 1000.5, {})


@pytest.mark.parametrize(
    ("after", "limit", "found"), [(0, 3, [1, 2, 3]), (8, 10, [9, 10]), (10, 5, []), (99, 5, []), (-5, 1, [1])]
)
def test_reading_goes_on_where_it_ended(journal: Journal, after: int, limit: int, found: list[int]):
    for _ in range(10):
        journal.add("image", "pull")
    assert numbers(journal, after, limit) == found


def test_only_the_last_lines_are_kept_and_their_files_stay_few(journal: Journal, tmp_path: Path):
    for _ in range(MAX_ENTRIES + 2500):
        journal.add("container", "start")
    assert journal.last == MAX_ENTRIES + 2500
    assert numbers(journal) == list(range(2501, MAX_ENTRIES + 2501))
    assert journal.first == 2501
    assert len(list((tmp_path / "journal").glob("*.log"))) <= 7


def test_numbers_go_on_after_a_restart(tmp_path: Path):
    first = Journal(tmp_path)
    for _ in range(3):
        first.add("container", "start")
    first.close()
    second = Journal(tmp_path)
    second.add("container", "stop")
    assert numbers(second) == [1, 2, 3, 4]
    second.close()
    assert Journal(tmp_path).last == 4


def test_a_killed_journal_loses_nothing_and_gives_no_number_twice(tmp_path: Path):
    killed = Journal(tmp_path)
    for _ in range(5):
        killed.add("container", "start")
    again = Journal(tmp_path)  # the first was never closed
    assert numbers(again) == [1, 2, 3, 4, 5]
    again.add("container", "stop")
    assert numbers(again)[-1] > 100


@pytest.mark.parametrize("torn", [b'{"seq": 4, "at": 1', b"\x00\xff\xfe", b"[]", b'{"seq": null}', b"\n\n"])
def test_a_torn_line_is_skipped(tmp_path: Path, torn: bytes):
    before = Journal(tmp_path)
    for _ in range(3):
        before.add("container", "start")
    file = next((tmp_path / "journal").glob("*.log"))
    file.write_bytes(file.read_bytes() + torn)
    after = Journal(tmp_path)
    assert numbers(after) == [1, 2, 3]
    after.add("container", "stop")
    assert len(numbers(after)) == 4


def test_long_attributes_are_cut_and_the_telling_ones_kept(journal: Journal):
    labels = {f"label{n}": "x" * 1000 for n in range(100)}
    journal.add("container", "die", "c" * 5000, attributes={**labels, "name": "web", "exitCode": "1"})
    (line,) = journal.after(0, 10)
    assert len(json.dumps(line)) < 4500
    assert (line["attributes"]["name"], line["attributes"]["exitCode"]) == ("web", "1")
    assert all(len(value) <= 256 for value in line["attributes"].values())


def test_a_full_disk_costs_lines_but_not_the_agent(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    journal.add("container", "start")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        journal.add("container", "stop")
        journal.add("container", "stop")
    journal.add("container", "destroy")
    assert numbers(journal) == [1, 4]
    assert caplog.text.count("No space left") == 1


def test_half_a_line_on_a_full_disk_harms_no_other(journal: Journal, monkeypatch: pytest.MonkeyPatch):
    journal.add("container", "start")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:10]))
        journal.add("container", "stop")
    journal.add("container", "destroy")
    assert numbers(journal) == [1, 3]


def test_the_disk_is_made_to_keep_now_and_then_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now, synced = [0.0], []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(now[0]))
    journal = Journal(tmp_path, clock=lambda: now[0])
    for second in range(20):
        now[0] = float(second)
        for _ in range(10):
            journal.add("container", "start")
    assert len(synced) == 3
    journal.add("agent", "connected")
    assert len(synced) == 4


def test_a_folder_that_cannot_be_used_is_no_end(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "journal").write_text("a file")
    journal = Journal(tmp_path)
    journal.add("container", "start")
    assert journal.after(0, 10) == []
    assert "cannot be written" in caplog.text
    journal.close()


def test_the_journal_is_for_its_owner_only(journal: Journal, tmp_path: Path):
    journal.add("agent", "started")
    folder = tmp_path / "journal"
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("*.log"))


def test_a_smaller_ring_turns_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_module, "MAX_ENTRIES", 10)
    monkeypatch.setattr(journal_module, "_SEGMENT_SIZE", 4)
    journal = Journal(tmp_path)
    for last in range(1, 60):
        journal.add("container", "start")
        assert numbers(journal) == list(range(max(1, last - 9), last + 1))
