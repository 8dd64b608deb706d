"""Counting error lines piece by piece: what is read when, what counts once, and what happens when it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.drivers.base import EngineDown, LogLine
from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from apps.stacks.verdict import error_lines, observer
from apps.stacks.verdict.groups import containers_of
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.observer import judge_upgrades
from apps.stacks.verdict.signals import LEVEL_AT_END, UNKNOWN, WORSE, EventRate, Events

NOW = timezone.now().replace(microsecond=0)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Logs:
    """Logs by container, and which times were read of them."""

    def __init__(self) -> None:
        self.lines: dict[int, list[tuple[float, str]]] = {}
        self.read: list[tuple[int, str]] = []
        self.is_down = False

    def open(self, row: Container, *, since: str, **_more: Any) -> Logs.Stream:
        if self.is_down:
            raise EngineDown("The host does not answer.")
        self.read.append((row.pk, since))
        mine = [(at(second), text) for second, text in self.lines.get(row.pk, [])]
        return Logs.Stream(
            [LogLine("stdout", when.isoformat(), text) for when, text in mine if when.isoformat() >= since]
        )

    class Stream:
        def __init__(self, lines: list[LogLine]) -> None:
            self._lines = lines

        def __iter__(self) -> Iterator[LogLine]:
            return iter(self._lines)

        def close(self) -> None:
            pass


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Logs:
    found = Logs()
    monkeypatch.setattr(error_lines, "logs_open", found.open)
    return found


@pytest.fixture
def observation(lab: Environment) -> UpgradeObservation:
    stack = Stack.all_objects.create(environment=lab, name="shop")
    row = Service.all_objects.create(environment=lab, stack=stack, name="web", revision=2)
    return UpgradeObservation.objects.create(service=row, revision=2, started=at(0))


def add(observation: UpgradeObservation, since: float, **columns: Any) -> Container:
    """A container that has run since so many seconds before or after the upgrade began."""
    row = observation.service
    known = {"environment": row.environment, "spread_key": str(row.uuid), "desired": "running", "state": "running"}
    return Container.all_objects.create(**{**known, "created": at(since), "first_running": at(since), **columns})


def count(observation: UpgradeObservation, seconds: float) -> EventRate:
    """Read on, so many seconds after the beginning."""
    observation.refresh_from_db()
    groups = containers_of(observation.service, observation)
    error_lines.read_logs(observation, groups, at(seconds))
    observation.refresh_from_db()
    return error_lines.error_rate(observation, groups)


def test_errors_are_counted_by_the_time_of_log_that_was_read(observation: UpgradeObservation, logs: Logs) -> None:
    old, new = add(observation, -600), add(observation, 0)
    logs.lines[old.pk] = [(-500, "ERROR a"), (-400, "well"), (10, "ERROR b"), (200, "ERROR later")]
    logs.lines[new.pk] = [(5, "ERROR while it starts"), (40, "ERROR c"), (50, "ERROR d"), (60, "fine")]
    found = count(observation, 100)
    assert found.before == Events(1, 600)
    assert found.beside == Events(1, 100)
    assert found.new == Events(2, 70)


def test_each_line_is_read_once_and_a_second_counts_once(observation: UpgradeObservation, logs: Logs) -> None:
    new = add(observation, 0)
    trace = [(40 + part / 10, "ERROR") for part in range(10)]
    logs.lines[new.pk] = [*trace, (100, "ERROR at the seam")]
    assert count(observation, 100).new.count == 1
    assert count(observation, 150).new == Events(2, 120)
    assert count(observation, 200).new == Events(2, 170)
    assert [since for _key, since in logs.read] == [at(30).isoformat(), at(100).isoformat(), at(150).isoformat()]


def test_what_a_limit_cuts_off_is_read_next_time(
    observation: UpgradeObservation, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = add(observation, 0)
    logs.lines[new.pk] = [(40 + second, "ERROR") for second in range(50)]
    monkeypatch.setattr(error_lines, "MAX_BYTES", 300)  # about ten lines
    found = count(observation, 100).new
    assert found.count < 15
    assert found.seconds == found.count + 10, "only the time that was read"
    for seconds in range(130, 400, 30):
        found = count(observation, seconds).new
    assert found.count == 50


def test_two_processes_do_not_count_the_same(observation: UpgradeObservation, logs: Logs) -> None:
    new = add(observation, 0)
    logs.lines[new.pk] = [(40, "ERROR")]
    count(observation, 100)
    assert count(observation, 110).new == Events(1, 70), "too soon: another one may be reading"
    assert len(logs.read) == 1


def test_an_overtaken_reader_leaves_the_newer_counts(
    observation: UpgradeObservation, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(observation, 0)
    groups = containers_of(observation.service, observation)
    opened = logs.open

    def slow(row: Container, **more: Any) -> Any:
        UpgradeObservation.objects.filter(pk=observation.pk).update(logs_read_at=at(500), error_lines={"7": {}})
        return opened(row, **more)

    monkeypatch.setattr(error_lines, "logs_open", slow)
    error_lines.read_logs(observation, groups, at(100))
    observation.refresh_from_db()
    assert observation.error_lines == {"7": {}}


def test_a_log_that_cannot_be_read_says_why_and_is_taken_up_again(observation: UpgradeObservation, logs: Logs) -> None:
    new = add(observation, 0)
    logs.lines[new.pk] = [(40, "ERROR")]
    logs.is_down = True
    found = count(observation, 100)
    assert (found.find(LEVEL_AT_END).word, found.missing) == (UNKNOWN, "The host does not answer.")
    logs.is_down = False
    assert count(observation, 150).new == Events(1, 120)


def test_few_logs_are_read_however_many_containers_there_are(observation: UpgradeObservation, logs: Logs) -> None:
    for _ in range(10):
        add(observation, -60)
        add(observation, 1)
    add(observation, 1, launch_name="log")
    count(observation, 100)
    count(observation, 150)
    assert len({key for key, _since in logs.read}) == 2 * error_lines.MOST_LOGS


def test_an_old_one_that_was_stopped_writes_no_more(observation: UpgradeObservation, logs: Logs) -> None:
    ended = {"last_end": {"at": at(20).isoformat(), "exit_code": 0}}
    old = add(observation, -100, desired="stopped", state="stopped", status=ended)
    logs.lines[old.pk] = [(-50, "ERROR"), (10, "ERROR")]
    found = count(observation, 300)
    assert (found.before, found.beside) == (Events(1, 100), Events(1, 20))


def test_the_services_own_pattern_counts(observation: UpgradeObservation, logs: Logs) -> None:
    UpgradeObservation.objects.update(settings={"errorPattern": r"status=5\d\d"})
    new = add(observation, 0)
    logs.lines[new.pk] = [(40, "ERROR"), (50, "status=503"), (60, "status=200")]
    assert count(observation, 100).new.count == 1


def test_a_flood_of_errors_is_worse(observation: UpgradeObservation, logs: Logs) -> None:
    old, new = add(observation, -1800), add(observation, 0)
    logs.lines[old.pk] = [(-900, "ERROR")]
    logs.lines[new.pk] = [(40 + 3 * each, "ERROR") for each in range(20)]
    assert count(observation, 120).find(LEVEL_AT_END).word == WORSE


def test_the_job_reads_what_waited_longest_and_stops_in_time(
    observation: UpgradeObservation, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(observation, 0)
    row = observation.service
    other = Service.all_objects.create(environment=row.environment, stack=row.stack, name="other", revision=2)
    later = UpgradeObservation.objects.create(service=other, revision=2, started=at(0), logs_read_at=at(50))
    add(later, 0)
    read: list[int] = []
    monkeypatch.setattr(observer, "read_logs", lambda each, *_more: read.append(each.pk))
    judge_upgrades(at(100))
    assert read == [observation.pk, later.pk]
    monkeypatch.setattr(observer, "MAX_READING", -1.0)
    judge_upgrades(at(200))
    assert len(read) == 2, "the time is over"
