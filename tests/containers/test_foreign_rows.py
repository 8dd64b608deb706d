"""Containers created outside Corral, and engine events, on the engine in memory."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.containers import watch
from apps.containers.engine import UUID_LABEL, track_removing, track_starting
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.drivers.base import CreateRequest, EngineEvent
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

BODY = {
    "Image": "bb:local",
    "Env": ["A=1"],
    "Labels": {"team": "x"},
    "ExposedPorts": {"80/tcp": {}},
    "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}]}},
}


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The rows that the watch requeued."""
    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(watch, "enqueue", lambda kind, key, after=0: calls.append((kind, key)))
    return calls


def event(action: str, container_id: str, **attributes: str) -> EngineEvent:
    return EngineEvent(1.0, "container", action, container_id, attributes)


def outside(sim: SimulatedDriver, name: str = "outside", *, start: bool = True) -> str:
    made = sim.create(CreateRequest(name, BODY))
    if start:
        sim.start(made)
    return made


def test_a_container_made_outside_appears_as_a_standalone_one(host: Host, sim: SimulatedDriver) -> None:
    made = outside(sim)
    reconcile_one("host", host.pk)
    reconcile_until_idle()
    row = Container.all_objects.get()
    assert (row.name, row.native, row.keep_running, row.display_state, row.external_id) == (
        "outside",
        True,
        False,
        "running",
        made,
    )
    assert (row.environment_id, row.host_id, row.image) == (host.environment_id, host.pk, "bb:local")
    assert (dict(row.config.environment), row.config.labels["team"]) == ({"A": "1"}, "x")


def test_it_is_taken_in_once(host: Host, sim: SimulatedDriver) -> None:
    outside(sim)
    for _ in range(3):
        reconcile_one("host", host.pk)
        reconcile_until_idle()
    assert Container.all_objects.count() == 1


def test_taking_it_in_is_no_persons_doing(host: Host, sim: SimulatedDriver) -> None:
    before = AuditEntry.all_objects.count()
    outside(sim)
    reconcile_one("host", host.pk)
    assert AuditEntry.all_objects.count() == before


def test_it_can_be_managed(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    outside(sim)
    reconcile_one("host", host.pk)
    reconcile_until_idle()
    row = Container.all_objects.get()
    container_act(row, "stop", actor=actor_of("bob"))
    reconcile_until_idle()
    assert [seen.state for seen in sim.containers()] == ["exited"]
    container_act(Container.all_objects.get(), "start", actor=actor_of("bob"))
    reconcile_until_idle()
    assert Container.all_objects.get().display_state == "running"
    container_act(Container.all_objects.get(), "remove", actor=actor_of("bob"))
    reconcile_until_idle()
    assert (sim.containers(), Container.all_objects.get().display_state) == ([], "removed")


def test_one_removed_outside_is_shown_as_removed_and_not_made_again(host: Host, sim: SimulatedDriver) -> None:
    outside(sim)
    reconcile_one("host", host.pk)
    reconcile_until_idle()
    sim.remove("outside")
    reconcile_one("host", host.pk)
    reconcile_one("container", Container.all_objects.get().pk)
    assert (Container.all_objects.get().display_state, sim.containers()) == ("removed", [])


def test_one_stopped_outside_is_shown_stopped(host: Host, sim: SimulatedDriver, enqueued: list[Any]) -> None:
    outside(sim)
    reconcile_one("host", host.pk)
    reconcile_until_idle()
    sim.stop("outside")
    reconcile_one("host", host.pk)
    key = Container.all_objects.get().pk
    assert enqueued == [("container", key)]
    reconcile_one("container", key)
    assert Container.all_objects.get().display_state == "stopped"


def test_an_in_sync_engine_requeues_nothing(host: Host, sim: SimulatedDriver, enqueued: list[Any]) -> None:
    outside(sim, "one")
    outside(sim, "two", start=False)
    reconcile_one("host", host.pk)
    reconcile_until_idle()
    enqueued.clear()
    reconcile_one("host", host.pk)
    assert enqueued == []


def test_an_event_of_a_known_container_requeues_it(host: Host, sim: SimulatedDriver, enqueued: list[Any]) -> None:
    made = outside(sim)
    reconcile_one("host", host.pk)
    key = Container.all_objects.get().pk
    watch.handle_event(host.pk, event("die", made))
    watch.handle_event(host.pk, event("health_status: healthy", made))
    assert enqueued == [("container", key), ("container", key)]


def test_an_event_of_an_unknown_container_has_the_host_scanned(host: Host, enqueued: list[Any]) -> None:
    watch.handle_event(host.pk, event("start", "f" * 64))
    watch.handle_event(host.pk, event("destroy", "e" * 64))
    assert enqueued == [("host", host.pk)]


def test_what_we_start_ourselves_is_no_news_but_its_end_is(
    host: Host, sim: SimulatedDriver, enqueued: list[Any], django_assert_num_queries: Any
) -> None:
    made = outside(sim)
    reconcile_one("host", host.pk)
    row = Container.all_objects.get()
    mine = {UUID_LABEL: str(row.uuid)}
    with track_starting(row):
        with django_assert_num_queries(0):
            watch.handle_event(host.pk, event("create", made, **mine))
            watch.handle_event(host.pk, event("start", made, **mine))
        assert enqueued == []
        watch.handle_event(host.pk, event("die", made, **mine))
        assert enqueued == [("container", row.pk)]
    watch.handle_event(host.pk, event("start", made, **mine))
    assert enqueued == [("container", row.pk)] * 2


def test_what_we_take_away_ourselves_is_no_news_until_we_gave_up(
    host: Host, sim: SimulatedDriver, enqueued: list[Any]
) -> None:
    made = outside(sim)
    reconcile_one("host", host.pk)
    row = Container.all_objects.get()
    mine = {UUID_LABEL: str(row.uuid)}

    def fail_at_it() -> None:
        with track_removing(row):
            for action in ("kill", "die", "destroy"):
                watch.handle_event(host.pk, event(action, made, **mine))
            assert enqueued == []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_at_it()
    watch.handle_event(host.pk, event("destroy", made, **mine))
    assert enqueued == [("container", row.pk)]


@pytest.mark.parametrize("action", ["exec_create: sh", "attach", "top", "resize"])
def test_events_that_change_nothing_requeue_nothing(action: str, host: Host, enqueued: list[Any]) -> None:
    watch.handle_event(host.pk, event(action, "f" * 64))
    watch.handle_event(host.pk, EngineEvent(1.0, "network", "connect", "n", {}))
    assert enqueued == []


def test_what_a_killed_reconcile_left_of_a_removed_container_is_cleaned_up(
    host: Host, sim: SimulatedDriver, lab: Environment, actor_of: Any
) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    reconcile_until_idle()
    container_act(Container.all_objects.get(), "remove", actor=actor_of("bob"))
    reconcile_until_idle()
    sim.create(CreateRequest("web", {"Image": "bb:local", "Labels": {UUID_LABEL: str(row.uuid)}}))
    reconcile_one("host", host.pk)
    assert (sim.containers(), Container.all_objects.count()) == ([], 1)


def test_a_broken_label_is_no_reason_to_fall_over(host: Host, sim: SimulatedDriver) -> None:
    sim.create(CreateRequest("odd", {"Image": "bb:local", "Labels": {UUID_LABEL: "nonsense"}}))
    watch.handle_event(host.pk, event("start", "f" * 64, **{UUID_LABEL: "nonsense"}))
    reconcile_one("host", host.pk)
    assert Container.all_objects.get().name == "odd"


def test_a_scan_reads_of_containers_only_what_it_compares(host: Host, sim: SimulatedDriver) -> None:
    outside(sim)
    reconcile_one("host", host.pk)
    reconcile_until_idle()
    with CaptureQueriesContext(connection) as made:
        watch.scan_host(host, sim.containers())
    (query,) = [each["sql"] for each in made]
    assert '"spec"' not in query, "it would be decrypted for every container at every scan"
