"""Whatever happens to a journal's files and disk, numbers grow, no line is read twice, and reading never fails."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corral_agent import journal as module
from corral_agent.journal import MAX_ENTRIES, Journal

LINES = st.integers(0, 12)
WORDS = st.text(max_size=20)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="corral-journal-") as name:
        yield Path(name)


def opened(where: Path) -> Journal:
    return Journal(where, clock=lambda: 1000.0)


def killed(journal: Journal) -> None:
    """The process was killed: the journal is not closed, and its file's handle is left to the kernel."""


def fill(journal: Journal, number: int) -> list[int]:
    seen = []
    for at in range(number):
        journal.add("container", f"step-{at}")
        seen.append(journal.last)
    return seen


def numbers(journal: Journal) -> list[int]:
    return [entry["seq"] for entry in journal.after(0, 10_000)]


@given(lives=st.lists(st.tuples(LINES, st.booleans()), min_size=1, max_size=6))
def test_numbers_only_grow_over_any_lives_and_deaths(lives: list[tuple[int, bool]]):
    with folder() as where:
        written: list[int] = []
        for number, well in lives:
            journal = opened(where)
            written += fill(journal, number)
            if well:
                journal.close()
            else:
                killed(journal)
        assert written == sorted(set(written))
        assert numbers(opened(where)) == written


@given(number=st.integers(1, 12), after=st.integers(-5, 20), limit=st.integers(1, 20))
def test_pages_put_together_are_the_whole(number: int, after: int, limit: int):
    with folder() as where:
        journal = opened(where)
        written = fill(journal, number)
        seen: list[int] = []
        at = after
        while page := journal.after(at, limit):
            assert len(page) <= limit
            seen += [entry["seq"] for entry in page]
            at = seen[-1]
        assert seen == [seq for seq in written if seq > after]


@given(rubbish=st.binary(max_size=200), well=st.booleans(), number=st.integers(0, 5))
@example(rubbish=b'{"seq": Infinity}\n', well=False, number=1)
@example(rubbish=b'{"seq": 1e999}\n', well=True, number=0)
@example(rubbish=b'{"seq": null}\n{"seq": []}\n{"seq": {}}\n[]\n5\nnull\n"seq"\n', well=False, number=2)
@example(rubbish=b"[" * 20_000 + b"\n", well=False, number=1)
@example(rubbish=b"\0" * 4096, well=False, number=1)
@example(rubbish=b'{"seq": 1', well=False, number=0)
def test_rubbish_in_a_file_costs_no_other_line(rubbish: bytes, *, well: bool, number: int):
    with folder() as where:
        journal = opened(where)
        written = fill(journal, number)
        if well:
            journal.close()
        (where / "journal").mkdir(exist_ok=True)
        with (where / "journal" / f"{1:016}.log").open("ab") as file:
            file.write(rubbish)
        reopened = opened(where)
        read_numbers = set(numbers(reopened))
        assert set(written) <= read_numbers
        reopened.add("agent", "here")
        assert reopened.last == max(numbers(reopened)), "what is written after rubbish can be read"
        assert reopened.last not in read_numbers


@given(
    kind=WORDS,
    action=WORDS,
    key=st.text(max_size=600),
    attributes=st.dictionaries(st.text(max_size=600), st.text(max_size=600), max_size=30),
)
def test_any_event_is_one_short_line_that_reads_the_same_again(
    kind: str, action: str, key: str, attributes: dict[str, str]
):
    with folder() as where:
        journal = opened(where)
        journal.add(kind, action, key, attributes=attributes, at=5.5)
        (path,) = (where / "journal").glob("*.log")
        data = path.read_bytes()
        assert data.count(b"\n") == 1
        assert len(data) <= 4096 + 1
        (entry,) = journal.after(0, 10)
        assert (entry["seq"], entry["at"], entry["kind"], entry["action"]) == (1, 5.5, kind, action)
        assert key.startswith(entry["id"])
        assert all(any(name.startswith(one) for name in attributes) for one in entry["attributes"])


@pytest.mark.parametrize("extra", [0, 1, 37, 99, 100, 101, 250])
def test_a_ring_keeps_the_last_and_tells_where_it_begins(extra: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_ENTRIES", 100)
    monkeypatch.setattr(module, "_SEGMENT_SIZE", 25)
    journal = opened(tmp_path)
    written = fill(journal, 100 + extra)
    remaining = numbers(journal)
    assert remaining == written[-100:]
    assert journal.first == remaining[0]
    assert len(list((tmp_path / "journal").glob("*.log"))) <= 6
    journal.close()
    reopened = opened(tmp_path)
    assert numbers(reopened)[-1] == written[-1]
    assert reopened.first <= reopened.last


@pytest.mark.parametrize("after", [0, 1, 49, 50, 51, 98, 99, 100, 1000, -1, 10**30])
def test_reading_begins_anywhere_across_files(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_SEGMENT_SIZE", 10)
    journal = opened(tmp_path)
    fill(journal, 99)
    assert [entry["seq"] for entry in journal.after(after, 1000)] == list(range(max(after, 0) + 1, 100))


def test_an_unknown_file_in_the_folder_is_left_alone(tmp_path: Path):
    journal = opened(tmp_path)
    fill(journal, 3)
    journal.close()
    foreign_file = tmp_path / "journal" / "notes.txt"
    foreign_file.write_text("mine")
    reopened = opened(tmp_path)
    assert numbers(reopened) == [1, 2, 3]
    assert foreign_file.read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.log", "0.log", "-1.log", "99999999999999999999.log"])
def test_a_file_with_an_odd_name_does_no_harm(name: str, tmp_path: Path):
    journal = opened(tmp_path)
    fill(journal, 3)
    (tmp_path / "journal" / name).write_text("mine\n")
    reopened = opened(tmp_path)
    reopened.add("agent", "started")
    assert [entry["action"] for entry in reopened.after(0, 100)][-1] == "started"
    assert {1, 2, 3} <= set(numbers(reopened))


def test_a_journal_behind_a_link_is_not_followed(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / f"{1:016}.log").symlink_to(outside)
    journal = opened(tmp_path)
    journal.add("agent", "started")
    assert outside.read_text() == "precious"


@pytest.mark.parametrize(
    ("read_numbers", "expected"),
    [
        ({"name": "web", "x": "y" * 5000}, {"name": "web", "x": "y" * 256}),
        ({"n" * 300: "v"}, {"n" * 256: "v"}),
        ({"a": 5}, {"a": "5"}),
        ({}, {}),
        ({"ü": "\n"}, {"ü": "\n"}),
    ],
)
def test_attributes_are_texts_of_a_bearable_length(
    read_numbers: dict[str, Any], expected: dict[str, str], tmp_path: Path
):
    journal = opened(tmp_path)
    journal.add("container", "start", attributes=read_numbers)
    assert journal.after(0, 1)[0]["attributes"] == expected


@pytest.mark.parametrize("remaining", ["name", "image", "exitCode"])
def test_what_tells_most_is_left_out_last(remaining: str, tmp_path: Path):
    journal = opened(tmp_path)
    journal.add("container", "die", attributes={remaining: "v" * 200, **{f"label-{n}": "w" * 250 for n in range(40)}})
    entry = journal.after(0, 1)[0]
    assert entry["attributes"][remaining] == "v" * 200
    assert 1 < len(entry["attributes"]) < 41


def test_closing_twice_and_never_having_written_is_no_harm(tmp_path: Path):
    journal = opened(tmp_path)
    journal.close()
    journal.add("agent", "started")
    journal.close()
    journal.close()
    assert numbers(opened(tmp_path)) == [1]


def test_a_file_that_is_full_is_followed_by_one_that_begins_where_it_ended(tmp_path: Path):
    journal = opened(tmp_path)
    fill(journal, 2500)
    starts = sorted(int(path.stem) for path in (tmp_path / "journal").glob("*.log"))
    assert starts[0] == 1
    assert all(other - one <= 1000 for one, other in pairwise(starts))
    for path in (tmp_path / "journal").glob("*.log"):
        first = json.loads(path.read_text().splitlines()[0])
        assert first["seq"] == int(path.stem)
    assert MAX_ENTRIES >= 2500
    assert numbers(journal) == list(range(1, 2501))
