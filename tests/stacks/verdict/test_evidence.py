"""What is gathered about the containers of an upgrade: rows and events of the past, put there by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.models import Container, ContainerEvent
from apps.drivers.base import StatsSample
from apps.environments.models import Environment
from apps.hosts.stats.history import store_samples
from apps.stacks.models import Service, Stack
from apps.stacks.verdict.evidence import events_between, gather
from apps.stacks.verdict.groups import containers_of
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.signals import LEVEL_AT_END, NOT_WORSE, UNKNOWN, WORSE, Events, Evidence

NOW = timezone.now().replace(microsecond=0)  # as statistics are kept


def at(minutes: float) -> datetime:
    """So many minutes after the upgrade began; before it if negative."""
    return NOW + timedelta(minutes=minutes)


class Scene:
    """A service that has been upgraded for ten minutes."""

    def __init__(self, lab: Environment) -> None:
        stack = Stack.all_objects.create(environment=lab, name="shop")
        self.row = Service.all_objects.create(environment=lab, stack=stack, name="web", revision=2)
        self.observation = UpgradeObservation.objects.create(service=self.row, revision=2, started=at(0))

    def add(self, since: float, **columns: Any) -> Container:
        """A container that has run since so many minutes before or after the beginning."""
        defaults = {"desired": "running", "state": "running", "first_running": at(since), "start_count": 1}
        known = {"environment": self.row.environment, "spread_key": str(self.row.uuid), "name": f"web_{since}"}
        return Container.all_objects.create(created=at(since), **{**known, **defaults, **columns})

    def restarted(self, container: Container, first: float, last: float, count: int = 1) -> None:
        ContainerEvent.objects.create(
            environment=self.row.environment,
            container=container,
            spread_key=container.spread_key,
            kind="restarted",
            count=count,
            first_at=at(first),
            at=at(last),
        )

    def measured(self, container: Container, minutes: range, cores: float, memory: float) -> None:
        """A sample a minute on a machine of four processors, as the recorder takes them."""
        for minute in minutes:
            sample = StatsSample(
                at(minute).timestamp(), int(cores * minute * 60e9) + 10**15, 4, int(memory), 0, 0, 0, 0, 0
            )
            store_samples(self.row.environment_id, {("container", container.pk): sample})

    def evidence(self, minutes: float = 10) -> Evidence:
        groups = containers_of(self.row, self.observation)
        return gather(self.row, self.observation, groups, at(minutes))


@pytest.fixture
def scene(lab: Environment) -> Scene:
    return Scene(lab)


def test_restarts_are_counted_by_container_time(scene: Scene) -> None:
    old = scene.add(-600)
    scene.add(-30)
    scene.add(1, start_count=5, restarts=2)  # somebody asked for the others
    scene.restarted(old, -90, -90)
    scene.restarted(old, -20, 5, count=6)
    found = scene.evidence().rates[0]
    assert found.before == Events(4, 90 * 60), "an hour of one, half an hour of the other; what is older does not count"
    assert found.beside == Events(2, 20 * 60)
    assert found.new == Events(2, 9 * 60)


def test_containers_that_are_gone_count_for_as_long_as_they_ran(scene: Scene) -> None:
    scene.add(-60, removed=at(3), desired="removed")
    stopped = {"last_end": {"at": at(4).isoformat(), "exit_code": 0}}
    scene.add(-60, desired="stopped", state="stopped", status=stopped)
    scene.add(2, removed=at(5), desired="removed", start_count=2, restarts=1)
    found = scene.evidence().rates[0]
    assert found.beside.seconds == pytest.approx(7 * 60)
    assert found.new == Events(1, 180)


def test_what_never_ran_has_no_time(scene: Scene) -> None:
    scene.add(-60)
    scene.add(1, first_running=None, start_count=0, state="creating")
    found = scene.evidence()
    assert found.rates[0].new == Events(0, 0)
    assert (found.containers.seen, len(found.containers.unready)) == (1, 1)


def test_how_the_new_ones_end_is_said_with_its_reason(scene: Scene) -> None:
    for since in (1, 2):
        scene.add(since, status={"last_end": {"at": at(3).isoformat(), "exit_code": 137, "oom_killed": True}})
    scene.add(3, status={"last_end": {"at": at(4).isoformat(), "exit_code": 2}})
    scene.add(-60, status={"last_end": {"at": at(4).isoformat(), "exit_code": 99}})
    assert scene.evidence().exits == ["out of memory (2 containers)", "exit code 2"]


def test_a_job_that_ended_well_is_well_and_one_that_did_not_has_failed(scene: Scene) -> None:
    scene.add(1, state="stopped", status={"final_exit_code": 0})
    assert (scene.evidence().containers.unready, scene.evidence().containers.failed) == ([], [])
    scene.add(2, name="web_2", state="stopped", status={"final_exit_code": 4})
    assert scene.evidence().containers.failed == ["web_2: It ended with exit code 4."]


def test_one_that_cannot_start_is_given_a_minute(scene: Scene) -> None:
    scene.add(1, name="web_1", first_running=None, fault=True, state="creating", message="No such image.")
    assert scene.evidence(1.5).containers.failed == []
    assert scene.evidence(2.5).containers.failed == ["web_1: No such image."]


def test_crashes_that_the_old_ones_have_as_well_are_not_held_against_the_new(scene: Scene) -> None:
    old = scene.add(-60)
    scene.add(1, status={"crashes": 3})
    assert scene.evidence().containers.crashing
    Container.all_objects.filter(pk=old.pk).update(status={"crashes": 2})
    found = scene.evidence().containers
    assert (found.crashing, len(found.unready)) == ([], 1)


def test_replacements_for_failed_checks_count_from_the_second_on(scene: Scene) -> None:
    scene.add(1, health="unhealthy", removed=at(2), desired="removed")
    scene.add(2, health="healthy")
    assert scene.evidence().containers.unhealthy == []
    scene.add(1, name="web_2", health="unhealthy", removed=at(3), desired="removed")
    assert len(scene.evidence().containers.unhealthy) == 2


def test_cpu_and_memory_come_from_the_minutes_that_are_recorded_anyway(scene: Scene) -> None:
    old, new = scene.add(-60), scene.add(0)
    scene.measured(old, range(-20, 10), cores=0.5, memory=200e6)
    scene.measured(new, range(10), cores=2, memory=210e6)
    cpu, memory = (each.find(LEVEL_AT_END) for each in scene.evidence().levels)
    assert (cpu.signal, cpu.word) == ("cpu", WORSE)
    assert [cpu.old, cpu.new] == pytest.approx([0.5, 2], abs=0.01)
    assert (memory.signal, memory.word) == ("memory", NOT_WORSE)
    assert cpu.counts == (10, 8), "what stood beside it, and not what it does while it starts"


def test_without_old_ones_beside_it_is_compared_with_the_hour_before(scene: Scene) -> None:
    old, new = scene.add(-90), scene.add(0)
    scene.measured(old, range(-80, 0), cores=0.5, memory=100e6)
    scene.measured(new, range(10), cores=0.5, memory=400e6)
    cpu, memory = (each.find(LEVEL_AT_END) for each in scene.evidence().levels)
    assert (cpu.word, memory.word, memory.counts[0]) == (NOT_WORSE, WORSE, 60)
    assert all(each.find(LEVEL_AT_END).word == UNKNOWN for each in scene.evidence(3).levels), "too early to say"


def test_sidekicks_are_not_compared_with_the_containers_they_work_for(scene: Scene) -> None:
    old, new = scene.add(-60, launch_name="primary"), scene.add(0, launch_name="log")
    scene.measured(old, range(-20, 10), cores=0.1, memory=1e6)
    scene.measured(new, range(10), cores=2, memory=900e6)
    assert [each.find(LEVEL_AT_END).word for each in scene.evidence().levels] == [UNKNOWN, UNKNOWN]


@given(count=st.integers(1, 50), first=st.integers(-60, 0), length=st.integers(0, 60), cut=st.integers(-60, 60))
def test_what_was_counted_as_one_is_spread_over_its_time_and_nothing_is_lost(
    *, count: int, first: int, length: int, cut: int
) -> None:
    event = ContainerEvent(count=count, first_at=at(first), at=at(first + length))
    parts = events_between(event, at(-100), at(cut)), events_between(event, at(cut), at(100))
    assert sum(parts) == count
    assert events_between(event, at(first + length + 1), at(200)) == 0
