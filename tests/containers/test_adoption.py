"""Containers made outside Corral, and what engines tell, on the engine in memory."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers import watch
from apps.containers.engine import LABEL, leaving, starting
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.containers.spec import LaunchConfig
from apps.control.models import AuditEntry
from apps.control.reconcile import look, settle
from apps.drivers.base import CreateRequest, EngineEvent
from apps.drivers.simulated import SimulatedDriver
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
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which rows were woken by the watch."""
    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(watch, "send", lambda kind, key, after=0: calls.append((kind, key)))
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
    look("host", host.pk)
    settle()
    row = Container.all_objects.get()
    assert (row.name, row.native, row.kept, row.shown, row.external_id) == ("outside", True, False, "running", made)
    assert (row.environment_id, row.host_id, row.image) == (host.environment_id, host.pk, "bb:local")
    assert (dict(row.config.environment), row.config.labels["team"]) == ({"A": "1"}, "x")


def test_it_is_taken_in_once(host: Host, sim: SimulatedDriver) -> None:
    outside(sim)
    for _ in range(3):
        look("host", host.pk)
        settle()
    assert Container.all_objects.count() == 1


def test_taking_it_in_is_no_persons_doing(host: Host, sim: SimulatedDriver) -> None:
    before = AuditEntry.all_objects.count()
    outside(sim)
    look("host", host.pk)
    assert AuditEntry.all_objects.count() == before


def test_it_can_be_managed(host: Host, sim: SimulatedDriver, actor_of: Any) -> None:
    outside(sim)
    look("host", host.pk)
    settle()
    row = Container.all_objects.get()
    container_act(row, "stop", actor=actor_of("bob"))
    settle()
    assert [seen.state for seen in sim.containers()] == ["exited"]
    container_act(Container.all_objects.get(), "start", actor=actor_of("bob"))
    settle()
    assert Container.all_objects.get().shown == "running"
    container_act(Container.all_objects.get(), "remove", actor=actor_of("bob"))
    settle()
    assert (sim.containers(), Container.all_objects.get().shown) == ([], "removed")


def test_one_removed_outside_is_shown_as_removed_and_not_made_again(host: Host, sim: SimulatedDriver) -> None:
    outside(sim)
    look("host", host.pk)
    settle()
    sim.remove("outside")
    look("host", host.pk)
    look("container", Container.all_objects.get().pk)
    assert (Container.all_objects.get().shown, sim.containers()) == ("removed", [])


def test_one_stopped_outside_is_shown_stopped(host: Host, sim: SimulatedDriver, woken: list[Any]) -> None:
    outside(sim)
    look("host", host.pk)
    settle()
    sim.stop("outside")
    look("host", host.pk)
    key = Container.all_objects.get().pk
    assert woken == [("container", key)]
    look("container", key)
    assert Container.all_objects.get().shown == "stopped"


def test_a_settled_engine_wakes_nobody(host: Host, sim: SimulatedDriver, woken: list[Any]) -> None:
    outside(sim, "one")
    outside(sim, "two", start=False)
    look("host", host.pk)
    settle()
    woken.clear()
    look("host", host.pk)
    assert woken == []


def test_an_event_of_a_known_container_wakes_it(host: Host, sim: SimulatedDriver, woken: list[Any]) -> None:
    made = outside(sim)
    look("host", host.pk)
    key = Container.all_objects.get().pk
    watch.handle(host.pk, event("die", made))
    watch.handle(host.pk, event("health_status: healthy", made))
    assert woken == [("container", key), ("container", key)]


def test_an_event_of_a_stranger_has_the_host_scanned(host: Host, woken: list[Any]) -> None:
    watch.handle(host.pk, event("start", "f" * 64))
    watch.handle(host.pk, event("destroy", "e" * 64))
    assert woken == [("host", host.pk)]


def test_what_we_start_ourselves_is_no_news_but_its_end_is(
    host: Host, sim: SimulatedDriver, woken: list[Any], django_assert_num_queries: Any
) -> None:
    made = outside(sim)
    look("host", host.pk)
    row = Container.all_objects.get()
    mine = {LABEL: str(row.uuid)}
    with starting(row):
        with django_assert_num_queries(0):
            watch.handle(host.pk, event("create", made, **mine))
            watch.handle(host.pk, event("start", made, **mine))
        assert woken == []
        watch.handle(host.pk, event("die", made, **mine))
        assert woken == [("container", row.pk)]
    watch.handle(host.pk, event("start", made, **mine))
    assert woken == [("container", row.pk)] * 2


def test_what_we_take_away_ourselves_is_no_news_until_we_gave_up(
    host: Host, sim: SimulatedDriver, woken: list[Any]
) -> None:
    made = outside(sim)
    look("host", host.pk)
    row = Container.all_objects.get()
    mine = {LABEL: str(row.uuid)}

    def fail_at_it() -> None:
        with leaving(row):
            for action in ("kill", "die", "destroy"):
                watch.handle(host.pk, event(action, made, **mine))
            assert woken == []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_at_it()
    watch.handle(host.pk, event("destroy", made, **mine))
    assert woken == [("container", row.pk)]


@pytest.mark.parametrize("action", ["exec_create: sh", "attach", "top", "resize"])
def test_events_that_change_nothing_wake_nobody(action: str, host: Host, woken: list[Any]) -> None:
    watch.handle(host.pk, event(action, "f" * 64))
    watch.handle(host.pk, EngineEvent(1.0, "network", "connect", "n", {}))
    assert woken == []


def test_what_a_killed_look_left_of_a_removed_container_is_taken_away(
    host: Host, sim: SimulatedDriver, lab: Environment, actor_of: Any
) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    settle()
    container_act(Container.all_objects.get(), "remove", actor=actor_of("bob"))
    settle()
    sim.create(CreateRequest("web", {"Image": "bb:local", "Labels": {LABEL: str(row.uuid)}}))
    look("host", host.pk)
    assert (sim.containers(), Container.all_objects.count()) == ([], 1)


def test_a_broken_label_is_no_reason_to_fall_over(host: Host, sim: SimulatedDriver) -> None:
    sim.create(CreateRequest("odd", {"Image": "bb:local", "Labels": {LABEL: "nonsense"}}))
    watch.handle(host.pk, event("start", "f" * 64, **{LABEL: "nonsense"}))
    look("host", host.pk)
    assert Container.all_objects.get().name == "odd"
