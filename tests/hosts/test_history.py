"""One sample a minute, whoever watches: taken once, kept small, thrown away in time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.core.errors import Invalid
from apps.core.models import Setting
from apps.drivers.base import CreateRequest, EngineDown, StatsSample
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host, StatsHour
from apps.hosts.stats import recorder
from apps.hosts.stats.history import (
    claim_due_hosts,
    delete_expired,
    downsample,
    parse_hours,
    read_history,
    record_sample,
    store_samples,
)
from apps.hosts.stats.recorder import StatsRecorder

NOON = datetime(2026, 1, 31, 12, 0, 59, tzinfo=UTC)


def sample(at: float, cpu: float = 0.0, **more: int) -> StatsSample:
    """Counters `at` seconds after noon, `cpu` of one processor used so far."""
    base = {"memory": 1024, "memory_limit": 4096, "net_rx": 0, "net_tx": 0, "disk_read": 0, "disk_write": 0}
    return StatsSample(NOON.timestamp() + at, int(cpu * 1e9), 1, **{**base, **more})


@pytest.fixture
def box(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Container:
    """A running container."""
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    run_loop()
    return Container.all_objects.get(pk=row.pk)


def test_each_host_is_due_once_a_minute(host: Host) -> None:
    assert [row.pk for row in claim_due_hosts(NOON)] == [host.pk]
    assert claim_due_hosts(NOON) == []
    assert claim_due_hosts(NOON + timedelta(seconds=0.5)) == []
    assert [row.pk for row in claim_due_hosts(NOON + timedelta(seconds=60))] == [host.pk]


def test_hosts_take_turns_within_a_minute(host: Host) -> None:
    turn = NOON.replace(second=host.pk % 50)
    early = turn - timedelta(seconds=1)
    if early.minute == turn.minute:
        assert claim_due_hosts(early) == []
    assert len(claim_due_hosts(turn)) == 1


def test_claiming_hosts_costs_the_same_however_many_there_are(host: Host) -> None:
    def queries(now: datetime) -> int:
        with CaptureQueriesContext(connection) as made:
            claim_due_hosts(now)
        return len(made)

    late = NOON.replace(second=59)
    one, none = queries(late), queries(late)
    for number in range(20):
        Host.all_objects.create(
            environment=host.environment, name=f"h{number}", url=f"sim://{number}", engine_id=f"E{number}"
        )
    assert queries(late + timedelta(minutes=1)) == one
    assert queries(late + timedelta(minutes=1)) == none == 1


@pytest.mark.parametrize("change", [{"lost_at": NOON}, {"desired": "removed"}, {"removed": NOON}, {"engine_id": ""}])
def test_who_cannot_answer_is_not_asked(change: dict[str, Any], host: Host) -> None:
    Host.all_objects.filter(pk=host.pk).update(**change)
    assert claim_due_hosts(NOON) == []


def test_a_host_and_what_runs_on_it_are_recorded(box: Container, host: Host, sim: SimulatedDriver) -> None:
    assert record_sample(host) == 2
    assert {(row.kind, row.target) for row in StatsHour.objects.all()} == {("host", host.pk), ("container", box.pk)}
    assert read_history(box, 1) == []  # a point is what lies between two samples
    StatsHour.objects.update(counters=b"")
    assert record_sample(host) == 2
    assert sim.calls["measure"] == 2


def test_what_corral_does_not_know_is_not_recorded(host: Host, sim: SimulatedDriver) -> None:
    sim.start(sim.create(CreateRequest("outside", {"Image": "bb:local"})))
    assert record_sample(host) == 1
    assert StatsHour.objects.get().kind == "host"


def test_an_engine_that_does_not_answer_costs_nothing(host: Host, sim: SimulatedDriver) -> None:
    sim.fail_next("measure", EngineDown("away"))
    assert record_sample(host) == 0
    assert StatsHour.objects.count() == 0


def test_points_are_rates_between_samples(host: Host) -> None:
    for second, cpu, received in ((0, 0.0, 0), (60, 30.0, 6000), (120, 30.0, 6000)):
        store_samples(host.environment_id, {("host", host.pk): sample(second, cpu, net_rx=received)})
    points = read_history(host, 1, NOON + timedelta(minutes=3))
    assert [(point["cpu"], point["net_rx"], point["memory"]) for point in points] == [
        (50.0, 100.0, 1024.0),
        (0.0, 0.0, 1024.0),
    ]


def test_a_long_gap_makes_no_point_but_a_new_start(host: Host) -> None:
    for second in (0, 1000, 1060):
        store_samples(host.environment_id, {("host", host.pk): sample(second)})
    assert len(read_history(host, 1, NOON + timedelta(minutes=20))) == 1


def test_a_restarted_counter_counts_as_nothing(host: Host) -> None:
    store_samples(host.environment_id, {("host", host.pk): sample(0, 500.0, net_rx=10**9)})
    store_samples(host.environment_id, {("host", host.pk): sample(60, 1.0, net_rx=5)})
    (point,) = read_history(host, 1, NOON + timedelta(minutes=3))
    assert (point["cpu"], point["net_rx"]) == (0.0, 0.0)


def test_a_new_hour_goes_on_from_the_hour_before(host: Host) -> None:
    for minute in range(58, 63):
        store_samples(host.environment_id, {("host", host.pk): sample(minute * 60 - 59)})
    assert StatsHour.objects.filter(kind="host", target=host.pk).count() == 2
    assert len(read_history(host, 2, NOON + timedelta(minutes=63))) == 4


def test_the_same_minute_twice_adds_no_time(host: Host) -> None:
    store_samples(host.environment_id, {("host", host.pk): sample(0)})
    store_samples(host.environment_id, {("host", host.pk): sample(0)})
    assert read_history(host, 1, NOON + timedelta(minutes=3)) == []


def test_writing_takes_two_queries_however_many_there_are(host: Host) -> None:
    many = {("container", key): sample(0) for key in range(1, 200)}
    for second in (0, 60):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            store_samples(host.environment_id, {key: sample(second) for key in many})
        assert len(seen) <= 4  # the two, and the borders of a transaction
    with CaptureQueriesContext(connection) as seen:
        store_samples(host.environment_id, {})
    assert len(seen) == 0


def test_only_what_was_requested_is_returned(host: Host) -> None:
    for minute in range(0, 240, 2):
        store_samples(host.environment_id, {("host", host.pk): sample(minute * 60)})
    now = NOON + timedelta(minutes=239)
    assert 28 <= len(read_history(host, 1, now)) <= 30
    assert len(read_history(host, 24, now)) == 119
    assert read_history(host, 0, now) == []


def test_a_container_is_not_a_host_of_the_same_number(host: Host) -> None:
    for second in (0, 60):
        store_samples(host.environment_id, {("container", host.pk): sample(second)})
    assert read_history(host, 1, NOON + timedelta(minutes=3)) == []


def test_many_points_are_thinned_to_their_means(host: Host) -> None:
    for minute in range(8):
        store_samples(host.environment_id, {("host", host.pk): sample(minute * 60, minute * minute * 3.0)})
    points = read_history(host, 1, NOON + timedelta(minutes=9))
    few = downsample(points, 4)
    assert len(few) == 4
    assert few[0]["cpu"] == round((points[0]["cpu"] + points[1]["cpu"]) / 2, 2)
    assert few[-1]["at"] == points[-1]["at"]
    assert downsample(points, 100) == points
    assert downsample([]) == []


@pytest.mark.parametrize(("text", "hours"), [("", 1), ("1", 1), ("24", 24), ("744", 744)])
def test_hours_are_read(text: str, hours: int) -> None:
    assert parse_hours(text) == hours


@pytest.mark.parametrize("text", ["0", "745", "-1", "1.5", "day", "٣", "9" * 40])
def test_other_hours_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_hours(text)
    assert caught.value.field == "hours"


@pytest.mark.parametrize(("setting", "remaining"), [(None, 49), ("100", 101), ("1", 25), ("soon", 49)])
def test_old_hours_go(setting: str | None, remaining: int, host: Host) -> None:
    if setting is not None:
        Setting.objects.create(name="retention.stats.hours", value=setting)
    now = timezone.now().replace(minute=30)
    hour = now.replace(minute=0, second=0, microsecond=0)
    StatsHour.objects.bulk_create(
        StatsHour(environment_id=host.environment_id, kind="host", target=1, hour=hour - timedelta(hours=back))
        for back in range(120)
    )
    assert delete_expired(now) == 120 - remaining
    assert StatsHour.objects.count() == remaining


def test_an_environment_takes_its_history_along(host: Host, lab: Environment) -> None:
    store_samples(lab.pk, {("host", host.pk): sample(0)})
    assert {row.environment_id for row in StatsHour.objects.all()} == {lab.pk}


def test_the_recorder_takes_what_is_due_and_one_host_costs_no_other(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here:
        def map(self, work: Callable[[Any], Any], things: list[Any]) -> list[Any]:
            return [work(each) for each in things]

    pool: Any = Here()
    mine = StatsRecorder()
    monkeypatch.setattr(recorder, "claim_due_hosts", lambda: [host])
    assert mine.run_once(pool) == 1

    def broken(_host: Host) -> int:
        raise RuntimeError

    monkeypatch.setattr(recorder, "record_sample", broken)
    assert mine.run_once(pool) == 0


def test_the_recorder_ends_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    monkeypatch.setattr(recorder, "TICK", 0.001)
    mine = StatsRecorder()

    def once(_pool: ThreadPoolExecutor) -> int:
        rounds.append(1)
        mine.stop()
        return 0

    monkeypatch.setattr(mine, "run_once", once)
    mine.start()
    mine._thread.join(5)
    assert (rounds, mine._thread.is_alive()) == ([1], False)
