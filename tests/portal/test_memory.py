"""The C library's memory is limited where that library is glibc, and trimmed only after the process has grown."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import pytest

from portal.boot import memory


def test_the_limits_are_taken() -> None:
    assert memory.limit_arenas()


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_c_library", object)
    assert not memory.limit_arenas()
    memory.start_trimming(lambda: None)()


def test_what_is_resident_is_read_from_the_kernel(tmp_path: Path) -> None:
    assert memory.resident_bytes() > 10 * 1024**2
    assert memory.resident_bytes(tmp_path / "absent") == 0


MB = 1024**2
TRIM, ALL = ["trim 0"], ["collect", "caches", "trim 0"]


@pytest.mark.parametrize(
    ("seen", "rounds_that_did"),
    [
        pytest.param([(90, 600), (93, 600)], [TRIM], id="the start is growth, a little more is none"),
        pytest.param([(90, 600), (95, 600), (95, 600)], [TRIM, TRIM], id="growth"),
        pytest.param(
            [(180, 900), (180, 890), (180, 780)], [TRIM, ALL], id="freed inside of arenas, which the kernel cannot see"
        ),
        pytest.param([(180, 900), (150, 900)], [TRIM], id="given back already"),
    ],
)
def test_it_gives_back_after_growth_and_after_a_burst(
    monkeypatch: pytest.MonkeyPatch, seen: list[tuple[int, int]], rounds_that_did: list[list[str]]
) -> None:
    """Megabytes that are resident and thousands of Python's blocks at each round."""
    rounds = iter([*seen, None])
    now = [seen[0]]
    done: list[str] = []

    def wait(_seconds: float) -> bool:
        found = next(rounds)
        now[0] = found or now[0]
        return found is None

    def trim(padding: int) -> int:
        done.append(f"trim {padding}")
        return 1

    stopping = threading.Event()
    monkeypatch.setattr(stopping, "wait", wait)
    monkeypatch.setattr(memory, "resident_bytes", lambda: now[0][0] * MB)
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: now[0][1] * 1000)
    monkeypatch.setattr(gc, "collect", lambda: done.append("collect"))

    memory._give_back(trim, lambda: done.append("caches"), stopping)

    assert done == [step for steps in rounds_that_did for step in steps]
