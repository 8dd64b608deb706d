"""The C library's memory is limited where that library is glibc, and trimmed only after the process has grown."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from portal.boot import memory


def test_the_limits_are_taken() -> None:
    assert memory.limit_arenas()


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_c_library", object)
    assert not memory.limit_arenas()
    memory.start_trimming()()


def test_what_is_resident_is_read_from_the_kernel(tmp_path: Path) -> None:
    assert memory.resident_bytes() > 10 * 1024**2
    assert memory.resident_bytes(tmp_path / "absent") == 0


def test_it_trims_after_growth_only(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([memory.GROWTH * 3, memory.GROWTH * 2, memory.GROWTH * 2, memory.GROWTH * 4, memory.GROWTH])
    rounds = iter([False, False, False, True])
    stopping, trims = threading.Event(), []
    monkeypatch.setattr(stopping, "wait", lambda _seconds: next(rounds))
    monkeypatch.setattr(memory, "resident_bytes", lambda: next(sizes))

    def trim(padding: int) -> int:
        trims.append(padding)
        return 1

    memory._trim_after_growth(trim, stopping)
    assert trims == [0, 0]
