"""The embedded parts: all started, all stopped, in order, whatever one of them does."""

from __future__ import annotations

import logging

import pytest

from portal.boot.background import Start, Stop, start_parts


def part(name: str, diary: list[str]) -> tuple[str, Start]:
    def start() -> Stop:
        diary.append(f"start {name}")
        return lambda: diary.append(f"stop {name}")

    return name, start


def test_parts_are_stopped_in_reverse():
    diary: list[str] = []
    with start_parts((part("a", diary), part("b", diary))):
        diary.append("serve")
    assert diary == ["start a", "start b", "serve", "stop b", "stop a"]


def test_a_part_that_cannot_start_takes_the_started_ones_down():
    diary: list[str] = []
    with pytest.raises(ZeroDivisionError):
        start_parts((part("a", diary), ("b", lambda: 1 / 0)))  # type: ignore[arg-type,return-value]
    assert diary == ["start a", "stop a"]


def test_a_part_that_cannot_stop_does_not_keep_the_others_alive(caplog: pytest.LogCaptureFixture):
    diary: list[str] = []
    with caplog.at_level(logging.ERROR), start_parts((part("a", diary), ("b", lambda: lambda: 1 / 0))):  # type: ignore[arg-type,return-value]
        pass
    assert diary == ["start a", "stop a"]
    assert "'b' did not stop cleanly" in caplog.text
