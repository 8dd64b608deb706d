"""How far the portal is behind decides what it leaves out, and keeps its own slowness from being taken for others'."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from apps.console.components.overload import overload_notice
from apps.containers.models import Container
from apps.containers.reconcile import reconcile_container
from apps.control import load, tasks
from apps.control.load import MEMORY_SECONDS, THRESHOLDS, LoadLevel, LoadMeter, LoadMeters
from apps.control.reconcile import fail_overdue
from apps.drivers.base import EngineDown, EngineEvent, EngineTimeout
from apps.hosts.models import Host, HostEvent
from apps.hosts.reconcile import MAX_OVERLOADED_SILENCE, reconcile_host
from apps.hosts.watch import TimelineBuffer

pytestmark = pytest.mark.faces


@pytest.fixture(autouse=True)
def own_meters(monkeypatch: pytest.MonkeyPatch) -> LoadMeters:
    found = LoadMeters()
    monkeypatch.setattr(load, "meters", found)
    return found


def behind(level: LoadLevel, environment: int | None = None) -> None:
    load.note_wait(THRESHOLDS[level], environment)


def test_a_measurement_counts_for_a_while_and_the_worst_wins() -> None:
    now = [0.0]
    meter = LoadMeter(lambda: now[0])
    meter.note(8)
    meter.note(2)
    assert meter.seconds_behind() == 8
    now[0] += MEMORY_SECONDS + 1
    assert meter.seconds_behind() == 0
    meter.note(2)
    assert meter.seconds_behind() == 2


def test_levels_come_in_their_order() -> None:
    seen = [load.load_level()]
    for level in (LoadLevel.NO_STATISTICS, LoadLevel.NO_HISTORY, LoadLevel.NO_PLACEMENTS):
        behind(level)
        seen.append(load.load_level())
    assert seen == list(LoadLevel)


def test_a_task_says_how_long_it_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.control.reconcile.reconcile_one", lambda *_: True)
    monkeypatch.setattr(tasks, "environment_of_key", lambda _kind, _key: 5)
    monkeypatch.setattr(tasks, "time", SimpleNamespace(time=lambda: 1000.0))
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    tasks.reconcile("host", 1)
    assert load.seconds_behind() == 0
    tasks.reconcile("host", 1, 988.0)
    assert (load.seconds_behind(), load.seconds_behind_for(5), load.seconds_behind_for(6)) == (12, 12, 0)


def test_a_thread_that_is_scheduled_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    times, rounds = iter([0.0, 0.5, 4.0]), iter([False, False, True])
    stopping = threading.Event()
    monkeypatch.setattr(stopping, "wait", lambda _seconds: next(rounds))
    monkeypatch.setattr(load, "time", SimpleNamespace(monotonic=lambda: next(times)))
    load._watch_lag(stopping)
    assert load.meters.lag.seconds_behind() == 3 * load.LAG_WEIGHT


class Silent:
    """An engine that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def describe_host(self) -> Any:
        raise self.error


@pytest.fixture
def ask(host: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The host's state after its engine failed so, having been heard of so many seconds ago."""

    def call(error: Exception, heard: float = 30.0) -> str:
        monkeypatch.setattr("apps.hosts.reconcile.registry.get_driver", lambda _endpoint: Silent(error))
        host.state, host.seen_at = "active", timezone.now() - timedelta(seconds=heard)
        return str(reconcile_host(host).state)

    return call


def test_a_host_does_not_look_lost_because_the_portal_is_busy(ask: Callable[..., str]) -> None:
    assert ask(EngineTimeout("late")) == "reconnecting"
    behind(LoadLevel.NO_STATISTICS)
    assert ask(EngineTimeout("late")) == "active"
    assert ask(EngineDown("refused")) == "reconnecting"
    assert ask(EngineTimeout("late"), MAX_OVERLOADED_SILENCE + 1) == "reconnecting"


def test_the_timeline_waits_and_is_written_later(host: Host, own_meters: LoadMeters) -> None:
    timeline = TimelineBuffer(host)
    timeline.add(EngineEvent(timezone.now().timestamp(), "container", "start", "c1"))
    behind(LoadLevel.NO_HISTORY)
    timeline.write()
    assert not HostEvent.objects.exists()
    own_meters.__init__()  # type: ignore[misc]  # it has caught up
    timeline.write()
    assert HostEvent.objects.count() == 1


def test_new_containers_wait_for_their_place(lab: Any, host: Host) -> None:
    row = Container.all_objects.create(environment=lab, name="c", desired="running", state="creating")
    behind(LoadLevel.NO_PLACEMENTS, lab.pk + 1)
    assert reconcile_container(row).message == "No command specified"  # placed: another environment waits for itself
    row.host = None
    behind(LoadLevel.NO_PLACEMENTS, lab.pk)
    result = reconcile_container(row)
    assert "overloaded" in result.message
    assert not result.failed
    assert result.requeue_after


def test_deadlines_of_operations_pause(monkeypatch: pytest.MonkeyPatch, db: Any) -> None:
    behind(LoadLevel.NO_STATISTICS)
    monkeypatch.setattr("apps.control.reconcile._overdue", lambda _now: pytest.fail("looked for overdue ones"))
    assert fail_overdue() == 0


def test_people_are_told_what_waits(people: Any, lab: Any) -> None:
    client = Client()
    client.force_login(people.alice)
    path = f"/env/{lab.pk}/hosts"
    assert overload_notice(lab.pk) == ""
    behind(LoadLevel.NO_PLACEMENTS, lab.pk + 1)
    assert overload_notice(lab.pk) == ""
    assert overload_notice(None)
    calm = client.get(path, follow=True).content.decode()
    behind(LoadLevel.NO_PLACEMENTS, lab.pk)
    busy = client.get(path, follow=True).content.decode()
    words = "The portal is overloaded: work starts 30 seconds late"
    assert words not in calm
    assert words in busy


@override_settings(ALLOWED_HOSTS=["*"])
def test_the_health_page_says_so_and_stays_well(db: Any) -> None:
    behind(LoadLevel.NO_HISTORY)
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["load"], answer.json()["secondsBehind"]) == (200, "no_history", 10.0)
