"""Reconciles that meet an engine in the middle of something, and kept containers that end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.engine import UUID_LABEL
from apps.containers.launch.config import LaunchConfig
from apps.containers.managed_network import local_network_name
from apps.containers.models import Container
from apps.containers.reconcile import reconcile_container as look_at
from apps.containers.services import container_act, container_create
from apps.control.models import OperationLine
from apps.control.reconcile import reconcile_one, reconcile_until_idle, release_all_leases
from apps.drivers.base import (
    CreateRequest,
    EngineConflict,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineRefused,
)
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host


@pytest.fixture
def make(lab: Environment, host: Host, actor_of: Any) -> Callable[..., Container]:
    """Asks for a container, does not yet run the loop."""

    def ask(name: str = "web", **fields: Any) -> Container:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})
        return container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)

    return ask


@pytest.fixture
def box(make: Any) -> Container:
    """A container that runs."""
    row = make()
    reconcile_until_idle()
    return reload(row)


def reload(row: Container) -> Container:
    return Container.all_objects.select_related("host").get(pk=row.pk)


def mark_keep_running(row: Container, **status: Any) -> Container:
    """The row as one of a service's."""
    Container.all_objects.filter(pk=row.pk).update(keep_running=True, status={**row.status, **status})
    return reload(row)


def ago(seconds: float) -> str:
    return (timezone.now() - timedelta(seconds=seconds)).isoformat()


def reconcile_later(row: Container) -> None:
    """Reconciles now, whatever the back-off says."""
    for _ in range(5):
        reconcile_one("container", row.pk)


def lines(row: Container) -> list[str]:
    found = OperationLine.objects.filter(operation__kind="container", operation__target=row.pk).order_by("pk")
    return list(found.values_list("text", flat=True))


def test_what_the_engine_is_removing_is_waited_for(
    box: Container, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    seen = replace(sim.inspect(box.external_id), state="removing")
    monkeypatch.setattr(sim, "inspect", lambda _key: seen)
    found = look_at(box)
    assert (found.state, found.message) == ("running", "The engine is removing it.")
    assert found.requeue_after is not None
    assert found.requeue_after <= 1


def test_a_stopped_one_of_a_service_that_is_gone_from_the_engine_stays_away(
    box: Container, sim: SimulatedDriver, actor_of: Any
):
    container_act(box, "stop", actor=actor_of("bob"))
    reconcile_until_idle()
    sim.remove("web")
    found = look_at(mark_keep_running(reload(box)))
    assert (found.state, dict(found.fields), sim.containers()) == ("stopped", {"external_id": ""}, [])


def test_a_restart_of_one_that_was_removed_on_the_engine_recreates_it(
    box: Container, sim: SimulatedDriver, actor_of: Any
):
    sim.remove("web")
    container_act(box, "restart", actor=actor_of("bob"))
    reconcile_until_idle()
    assert (reload(box).display_state, [seen.state for seen in sim.containers()]) == ("running", ["running"])
    assert reload(box).external_id != box.external_id


def test_the_environment_s_network_is_made_again_for_a_start(
    box: Container, sim: SimulatedDriver, actor_of: Any, lab: Environment
):
    container_act(box, "stop", actor=actor_of("bob"))
    reconcile_until_idle()
    before = sim.calls["ensure_network"]
    sim.fail_next("start", EngineNotFound(f"network {local_network_name(lab.uuid)} not found"))
    container_act(reload(box), "start", actor=actor_of("bob"))
    reconcile_until_idle()
    assert (reload(box).display_state, sim.calls["ensure_network"]) == ("running", before + 1)


def test_it_is_not_made_for_who_does_not_use_it(make: Any, sim: SimulatedDriver):
    row = make(networkMode="none")
    before = sim.calls["ensure_network"]
    sim.fail_next("start", EngineNotFound("no such file"), times=9)
    reconcile_one("container", row.pk)
    assert (reload(row).display_state, sim.calls["ensure_network"]) == ("error", before)
    assert "no such file" in reload(row).message


def test_the_network_is_made_again_for_a_creation_and_only_once(make: Any, sim: SimulatedDriver):
    sim.fail_next("create", EngineNotFound("network not found"))
    row = make()
    reconcile_until_idle()
    assert reload(row).display_state == "running"
    sim.fail_next("create", EngineNotFound("network not found"), times=2)
    other = make("other")
    reconcile_one("container", other.pk)
    assert reload(other).display_state in {"error", "creating"}
    assert [seen.name for seen in sim.containers()] == ["web"]


def test_both_names_taken_by_somebody_else_is_reported(make: Any, sim: SimulatedDriver):
    row = make()
    for name in ("web", f"web_{str(row.uuid)[:8]}"):
        sim.create(CreateRequest(name, {"Image": "bb:local"}))
    for _ in range(4):
        reconcile_one("container", row.pk)
    assert "are both in use on h1" in reload(row).message
    assert len(sim.containers()) == 2


@pytest.fixture
def namesake(box: Container, make: Any) -> Container:
    """Another with the name of the box, as a service asks for it when a number is free again."""
    row = make("other")
    Container.all_objects.filter(pk=row.pk).update(name=box.name)
    return reload(row)


def test_a_name_is_waited_for_while_the_one_that_had_it_is_on_its_way_out(
    box: Container, namesake: Container, sim: SimulatedDriver, actor_of: Any
):
    container_act(box, "remove", actor=actor_of("bob"))
    reconcile_one("container", namesake.pk)
    seen = reload(namesake)
    assert (seen.display_state, seen.message, seen.fault) == ("creating", "Waits for the earlier web to go.", False)
    reconcile_one("container", box.pk)
    reconcile_one("container", namesake.pk)
    assert (reload(namesake).display_state, [seen.name for seen in sim.containers()]) == ("running", ["web"])


def test_a_name_is_not_waited_for_for_ever(box: Container, namesake: Container, sim: SimulatedDriver, actor_of: Any):
    container_act(box, "remove", actor=actor_of("bob"))
    Container.all_objects.filter(pk=namesake.pk).update(created=timezone.now() - timedelta(seconds=31))
    reconcile_one("container", namesake.pk)
    assert reload(namesake).display_state == "running"
    assert sorted(seen.name for seen in sim.containers()) == ["web", f"web_{str(namesake.uuid)[:8]}"]


def test_a_name_that_stays_taken_is_not_waited_for(box: Container, namesake: Container, sim: SimulatedDriver):
    reconcile_one("container", namesake.pk)
    assert sorted(seen.name for seen in sim.containers()) == ["web", f"web_{str(namesake.uuid)[:8]}"]


def test_a_twin_that_a_killed_reconcile_made_is_adopted(
    make: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    row = make()
    made = sim.create(CreateRequest("web", {"Image": "bb:local", "Labels": {UUID_LABEL: str(row.uuid)}}))
    monkeypatch.setattr(sim, "find", lambda _label, _value: None)  # an engine whose listing lags
    reconcile_until_idle()
    assert (reload(row).external_id, reload(row).display_state, len(sim.containers())) == (made, "running", 1)


class Killed(BaseException):
    """The process ends here."""


def test_one_that_a_killed_reconcile_made_under_the_longer_name_is_found_even_when_its_own_is_free_again(
    make: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    theirs = sim.create(CreateRequest("web", {"Image": "bb:local"}))
    row = make()
    with monkeypatch.context() as now:
        now.setattr(sim, "start", lambda _key: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            reconcile_one("container", row.pk)
    sim.remove(theirs)
    release_all_leases()
    reconcile_until_idle()
    assert (reload(row).display_state, [seen.name for seen in sim.containers()]) == (
        "running",
        [f"web_{str(row.uuid)[:8]}"],
    )


def test_only_a_first_attempt_knows_that_there_is_nothing_to_find(make: Any, sim: SimulatedDriver):
    row = make()
    reconcile_until_idle()
    assert (reload(row).display_state, sim.calls["find"]) == ("running", 0)
    late = make("late")
    sim.fail_next("create", EngineDown("cut"))
    reconcile_one("container", late.pk)
    assert sim.calls["find"] == 0
    reconcile_later(late)
    assert (reload(late).display_state, sim.calls["find"]) == ("running", 1)
    again = make("again")
    Container.all_objects.filter(pk=again.pk).update(attempts=1)
    reconcile_until_idle()
    assert (reload(again).display_state, sim.calls["find"]) == ("running", 2)


@pytest.mark.parametrize("field", ["dataVolumesFrom", "networkContainerId"])
def test_one_that_leans_on_another_host_s_container_is_refused_by_name(field: str, make: Any, sim: SimulatedDriver):
    base = make("base")
    reconcile_until_idle()
    shared: dict[str, Any] = {"dataVolumesFrom": [f"1i{base.pk}"]}
    if field == "networkContainerId":
        shared = {"networkMode": "container", "networkContainerId": f"1i{base.pk}"}
    row = make("leaning", **shared)
    other = Host.all_objects.create(environment=row.environment, name="h2", url="sim://lab2", desired="active")
    Container.all_objects.filter(pk=row.pk).update(host=reload(base).host)  # placed, and then the other one moved
    Container.all_objects.filter(pk=base.pk).update(host=other)
    reconcile_one("container", row.pk)
    assert reload(row).display_state == "error"
    assert "base, whose volumes or network it takes, is on another host" in reload(row).message


def test_one_whose_base_was_not_made_yet_is_reported(make: Any, sim: SimulatedDriver):
    base = make("base", startOnCreate=False)
    row = make("leaning", dataVolumesFrom=[f"1i{base.pk}"])
    reconcile_one("container", row.pk)
    assert reload(row).message == "Waits for base, whose volumes or network it takes, to have a host."
    assert sim.containers() == []


@pytest.mark.parametrize(
    ("lived", "crashes", "state"),
    [
        (1, 0, "running"),
        (1, 1, "restarting"),
        (1, 6, "restarting"),
        (60, 6, "running"),
    ],
    ids=["first crash", "second", "seventh", "after a long life"],
)
def test_a_kept_one_that_dies_young_again_and_again_waits_longer(
    lived: float, crashes: int, state: str, box: Container, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    sim.crash("web")
    ended = replace(sim.inspect(box.external_id), started_at=ago(lived), finished_at=ago(0))
    answers = iter([ended])
    real = sim.inspect
    monkeypatch.setattr(sim, "inspect", lambda key: next(answers, None) or real(key))
    found = look_at(mark_keep_running(box, crashes=crashes))
    assert found.state == state
    if state == "restarting":
        assert "Keeps crashing (exit code 1); restarts in" in found.message
        assert 0 < (found.requeue_after or 0) <= 60
        assert [seen.state for seen in sim.containers()] == ["exited"]


def test_the_wait_ends(box: Container, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch):
    sim.crash("web")
    ended = replace(sim.inspect(box.external_id), started_at=ago(100), finished_at=ago(99))
    answers = iter([ended])
    real = sim.inspect
    monkeypatch.setattr(sim, "inspect", lambda key: next(answers, None) or real(key))
    found = look_at(mark_keep_running(box, crashes=8))
    assert (found.state, (found.status or {})["crashes"]) == ("running", 9)


def test_a_kept_one_that_the_engine_refuses_is_tried_again_and_a_person_s_fails(
    make: Any, sim: SimulatedDriver, run_loop: Any
):
    row = make()
    Container.all_objects.filter(pk=row.pk).update(keep_running=True)
    sim.fail_next("create", EngineRefused("no"), times=3)
    for _ in range(3):
        reconcile_one("container", row.pk)
        assert (reload(row).display_state, reload(row).message) == ("creating", "no")
    reconcile_one("container", row.pk)
    assert reload(row).display_state == "running"


@pytest.mark.parametrize("error", [EngineError("busy"), EngineConflict("busy")])
def test_what_may_pass_is_tried_three_times(error: EngineError, box: Container, sim: SimulatedDriver, actor_of: Any):
    container_act(box, "stop", actor=actor_of("bob"))
    sim.fail_next("stop", error, times=9)
    states = []
    for _ in range(4):
        reconcile_one("container", box.pk)
        states.append(reload(box).display_state)
    assert states == ["stopping", "stopping", "stopping", "error"]


def test_a_removal_waits_for_a_silent_engine_however_long(box: Container, sim: SimulatedDriver, actor_of: Any):
    container_act(box, "remove", actor=actor_of("bob"))
    sim.down = True
    for _ in range(5):
        reconcile_one("container", box.pk)
        assert (reload(box).display_state, reload(box).removed) == ("removing", None)
    sim.down = False
    reconcile_one("container", box.pk)
    assert (reload(box).display_state, sim.containers()) == ("removed", [])


def test_a_removal_stops_with_the_container_s_own_grace(
    make: Any, sim: SimulatedDriver, actor_of: Any, monkeypatch: pytest.MonkeyPatch
):
    timeouts: list[int] = []
    real = sim.stop

    def stop(key: str, timeout: int = 10) -> None:
        timeouts.append(timeout)
        real(key, timeout)

    monkeypatch.setattr(sim, "stop", stop)
    for name, fields in (("usual", {}), ("none", {"stopTimeout": 0}), ("own", {"stopTimeout": 33})):
        row = make(name, **fields)
        reconcile_until_idle()
        container_act(reload(row), "remove", actor=actor_of("bob"))
        reconcile_until_idle()
    assert timeouts == [10, 0, 33]


@pytest.mark.parametrize(("requested", "stored_as"), [(5, 5), (0, 0), (-4, 0), (9999, 600)])
def test_a_stop_s_grace_is_bounded(requested: int, stored_as: int, box: Container, actor_of: Any):
    container_act(box, "stop", actor=actor_of("bob"), timeout=requested)
    assert reload(box).spec["stopTimeout"] == stored_as


def test_a_removed_host_lets_go_without_a_word_to_its_engine(box: Container, sim: SimulatedDriver, actor_of: Any):
    container_act(box, "remove", actor=actor_of("bob"))
    Host.all_objects.filter(pk=box.host_id).update(desired="removed")
    sim.down = True
    reconcile_one("container", box.pk)
    assert reload(box).display_state == "removed"


def test_what_was_removed_is_purged(box: Container, actor_of: Any):
    for action, state in (("remove", "removed"), ("purge", "purged")):
        container_act(reload(box), action, actor=actor_of("bob"))
        reconcile_until_idle()
        assert reload(box).display_state == state


def test_each_step_is_reported_to_people_who_watch(box: Container, actor_of: Any):
    for action in ("restart", "stop", "start"):
        container_act(reload(box), action, actor=actor_of("bob"))
        reconcile_until_idle()
    timeouts = lines(box)
    assert timeouts[:3] == ["Placed on h1.", "Created on h1.", "Started."]
    assert timeouts[3:] == ["Restarted.", "Stopped.", "Started."]


def test_a_silent_engine_changes_nothing_that_was_seen(box: Container, sim: SimulatedDriver):
    sim.fail_next("inspect", EngineDown("cut"))
    found = look_at(box)
    assert (found.state, found.failed, found.message) == ("running", False, "h1 does not answer: cut")
