"""A standalone container from its creation to its removal, on the engine in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers import placement
from apps.containers.engine import UUID_LABEL
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.containers.placement import assign_host
from apps.containers.services import container_act, container_create, container_update
from apps.control.models import Operation
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.core.result import ReconcileResult
from apps.drivers.base import (
    CreateRequest,
    EngineConflict,
    EngineDown,
    EngineError,
    EngineRefused,
)
from apps.drivers.docker.errors import error_from_response
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host


@pytest.fixture
def make(lab: Environment, host: Host, actor_of: Any) -> Callable[..., Container]:
    """Asks for a container as alice, does not yet run the loop."""

    def ask(name: str = "web", who: str = "alice", **fields: Any) -> Container:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})
        return container_create(actor=actor_of(who), environment=lab, config=config, name=name)

    return ask


def reload(row: Container) -> Container:
    return Container.all_objects.get(pk=row.pk)


def test_the_answer_comes_before_the_work_is_done(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    assert (row.display_state, row.transitioning, sim.containers()) == ("creating", "yes", [])


def test_a_container_runs_on_the_engine_with_its_label_and_name(make: Any, sim: SimulatedDriver) -> None:
    row = make(ports=["80/tcp"], environment={"A": "1"})
    reconcile_until_idle()
    row = reload(row)
    (seen,) = sim.containers()
    assert (row.display_state, row.transitioning, row.message) == ("running", "no", "")
    assert (seen.name, seen.state, seen.labels[UUID_LABEL]) == ("web", "running", str(row.uuid))
    assert (row.external_id, row.start_count, bool(row.address)) == (seen.id, 1, True)
    assert row.engine_state["ports"][0]["public"]


def test_its_operation_succeeds(make: Any) -> None:
    row = make()
    reconcile_until_idle()
    operation = Operation.all_objects.get(kind="container", target=row.pk)
    assert (operation.name, operation.state, operation.progress) == ("container.create", "succeeded", 100)


def test_one_that_is_not_to_start_is_made_and_stays_stopped(make: Any, sim: SimulatedDriver) -> None:
    row = make(startOnCreate=False)
    reconcile_until_idle()
    assert reload(row).display_state == "stopped"
    assert [seen.state for seen in sim.containers()] == ["created"]


def test_stop_start_and_restart(make: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    row = make()
    reconcile_until_idle()
    container_act(reload(row), "stop", actor=actor_of("bob"))
    assert reload(row).display_state == "stopping"
    reconcile_until_idle()
    assert reload(row).display_state == "stopped"
    container_act(reload(row), "start", actor=actor_of("rex"))
    reconcile_until_idle()
    assert reload(row).display_state == "running"
    before = sim.calls["restart"]
    container_act(reload(row), "restart", actor=actor_of("alice"))
    reconcile_until_idle()
    assert (reload(row).display_state, sim.calls["restart"]) == ("running", before + 1)
    reconcile_one("container", row.pk)
    assert sim.calls["restart"] == before + 1


def test_a_readonly_member_changes_nothing(make: Any, actor_of: Any) -> None:
    row = make()
    reconcile_until_idle()
    with pytest.raises(Forbidden, match="readonly"):
        container_act(reload(row), "stop", actor=actor_of("rita"))
    with pytest.raises(Forbidden):
        make("other", who="rita")
    assert reload(row).desired == "running"
    assert Container.all_objects.count() == 1


def test_an_action_that_its_state_forbids_is_refused(make: Any, actor_of: Any) -> None:
    row = make()
    reconcile_until_idle()
    with pytest.raises(ActionNotAvailable, match="running"):
        container_act(reload(row), "start", actor=actor_of("alice"))


def test_a_removed_one_leaves_nothing_on_the_engine(make: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    row = make()
    reconcile_until_idle()
    container_act(reload(row), "remove", actor=actor_of("alice"))
    assert reload(row).display_state == "removing"
    reconcile_until_idle()
    assert (reload(row).display_state, sim.containers()) == ("removed", [])
    assert reload(row).removed is not None


def test_what_somebody_stops_on_the_host_is_shown_and_let_be(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    reconcile_until_idle()
    sim.kill("web")
    reconcile_one("container", row.pk)
    reconcile_until_idle()
    row = reload(row)
    assert (row.display_state, row.desired, row.message) == ("stopped", "running", "Ended with exit code 137.")
    assert [seen.state for seen in sim.containers()] == ["exited"]


def test_what_somebody_removes_on_the_host_is_gone(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    reconcile_until_idle()
    sim.remove("web")
    reconcile_one("container", row.pk)
    assert (reload(row).display_state, sim.containers()) == ("removed", [])


def test_running_out_of_memory_is_reported(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    reconcile_until_idle()
    sim.crash("web", 137, oom=True)
    reconcile_one("container", row.pk)
    assert reload(row).message == "Killed because it ran out of memory."


def test_a_reconcile_that_was_killed_after_creating_makes_no_double(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    sim.fail_next("start", EngineDown("cut"))
    reconcile_one("container", row.pk)
    assert len(sim.containers()) == 1
    reconcile_later(row)
    assert (reload(row).display_state, len(sim.containers())) == ("running", 1)


def reconcile_later(row: Container) -> None:
    """Reconciles now, whatever the back-off says."""
    for _ in range(5):
        reconcile_one("container", row.pk)


def test_a_name_that_somebody_else_holds_on_the_engine_is_lengthened(make: Any, sim: SimulatedDriver) -> None:
    sim.create(CreateRequest("web", {"Image": "bb:local"}))
    row = make()
    reconcile_until_idle()
    assert reload(row).display_state == "running"
    assert sorted(seen.name for seen in sim.containers()) == ["web", f"web_{str(row.uuid)[:8]}"]


def test_an_engine_that_refuses_ends_it_in_error_with_its_words(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    sim.fail_next("create", EngineRefused("invalid reference format"))
    reconcile_until_idle()
    row = reload(row)
    assert (row.display_state, row.transitioning, row.message) == ("error", "error", "invalid reference format")
    assert Operation.all_objects.get(target=row.pk, kind="container").state == "failed"


def test_one_in_error_can_be_started_once_the_reason_is_gone(make: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    row = make()
    sim.fail_next("create", EngineRefused("no"))
    reconcile_until_idle()
    container_act(reload(row), "start", actor=actor_of("alice"))
    reconcile_until_idle()
    assert (reload(row).display_state, reload(row).transitioning) == ("running", "no")


def test_a_lost_engine_is_waited_for(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    sim.down = True
    reconcile_one("container", row.pk)
    row = reload(row)
    assert (row.display_state, row.transitioning) == ("creating", "yes")
    assert "does not answer" in row.message
    sim.down = False
    reconcile_later(row)
    assert reload(row).display_state == "running"


def test_a_missing_image_is_pulled_first(make: Any, sim: SimulatedDriver) -> None:
    sim.registry.add("nginx:1")
    row = make(imageUuid="docker:nginx:1")
    reconcile_one("container", row.pk)
    assert (reload(row).display_state, reload(row).message) == ("creating", "Pulling nginx:1")
    reconcile_until_idle()
    reconcile_later(row)
    assert reload(row).display_state == "running"
    assert Pull.all_objects.get().display_state == "pulled"


def test_an_image_is_pulled_for_the_platform_that_its_container_asks_for(make: Any, sim: SimulatedDriver) -> None:
    sim.registry.add("nginx:1")
    sim.local_images.add("nginx:1")  # for the engine's own platform
    for platform in ("linux/arm64", "linux/amd64"):
        row = make(imageUuid="docker:nginx:1", platform=platform)
        for _ in range(3):
            reconcile_until_idle()
            reconcile_later(row)
        assert reload(row).display_state == "running"
        sim.local_images.require_platform("nginx:1", platform)
    assert {(each.platform, each.display_state, str(each)) for each in Pull.all_objects.all()} == {
        ("linux/arm64", "pulled", "nginx:1 (linux/arm64)"),
        ("linux/amd64", "pulled", "nginx:1 (linux/amd64)"),
    }


def test_an_image_that_its_registry_has_for_another_platform_only_ends_it_with_the_reason(
    make: Any, sim: SimulatedDriver
) -> None:
    sim.registry.add("nginx:1")
    sim.registry.only_platform["nginx:1"] = "linux/amd64"
    row = make(imageUuid="docker:nginx:1", platform="linux/arm64")
    for _ in range(3):
        reconcile_until_idle()
        reconcile_later(row)
    assert reload(row).display_state == "error"
    assert "wanted linux/arm64, actual: linux/amd64" in reload(row).message
    assert sim.calls["pull"] == 1


def test_an_image_that_cannot_be_pulled_ends_it_in_error(make: Any, sim: SimulatedDriver) -> None:
    row = make(imageUuid="docker:nowhere/nothing:1")
    reconcile_until_idle()
    reconcile_later(row)
    row = reload(row)
    assert (row.display_state, row.transitioning) == ("error", "error")
    assert "nowhere/nothing:1 could not be pulled" in row.message
    assert sim.containers() == []


def test_a_transient_refusal_is_tried_again(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    sim.fail_next("start", EngineError("the engine is busy"))
    reconcile_one("container", row.pk)
    assert reload(row).display_state == "creating"
    reconcile_later(row)
    assert reload(row).display_state == "running"


STALE_TASK = error_from_response(500, "failed to create task for container: task 627b19e7ccfa: already exists: unknown")


def test_one_that_the_runtime_knows_already_is_created_once_more(make: Any, sim: SimulatedDriver) -> None:
    """An engine that was killed while it started a container refuses to start that one for ever."""
    row = make()
    sim.fail_next("start", STALE_TASK)
    reconcile_one("container", row.pk)
    assert (reload(row).display_state, sim.containers()) == ("creating", [])
    reconcile_later(row)
    assert (reload(row).display_state, len(sim.containers()), sim.calls["create"]) == ("running", 1, 2)


def test_somebodys_own_that_has_run_is_kept_with_what_it_wrote(make: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    row = make()
    reconcile_until_idle()
    was = reload(row).external_id
    container_act(reload(row), "stop", actor=actor_of("bob"))
    reconcile_until_idle()
    sim.fail_next("start", STALE_TASK)
    container_act(reload(row), "start", actor=actor_of("bob"))
    reconcile_one("container", row.pk)
    assert [each.id for each in sim.containers()] == [was]


@pytest.mark.parametrize("name", ["", "x" * 300, "a b", "é", "-a", "a/../b", 7])
def test_a_bad_name_is_refused_and_nothing_is_made(name: Any, make: Any, lab: Environment, actor_of: Any) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    if name == "":
        assert container_create(actor=actor_of("bob"), environment=lab, config=config).name.startswith("c-")
        return
    with pytest.raises(Invalid) as caught:
        container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)
    assert caught.value.field == "name"
    assert Container.all_objects.count() == 0


def test_several_may_have_one_name_and_all_of_them_run(make: Any, sim: SimulatedDriver) -> None:
    rows = [make("web"), make("web"), make("WEB")]
    reconcile_until_idle()
    assert [(reload(row).name, reload(row).display_state) for row in rows] == [
        ("web", "running"),
        ("web", "running"),
        ("WEB", "running"),
    ]


def test_a_rename_keeps_it_running(make: Any, actor_of: Any) -> None:
    row = make()
    reconcile_until_idle()
    container_update(reload(row), actor=actor_of("alice"), name="other", description="d")
    assert reload(row).display_state == "updating-running"
    reconcile_until_idle()
    assert (reload(row).display_state, reload(row).name) == ("running", "other")


def test_references_to_foreign_containers_are_refused(make: Any) -> None:
    with pytest.raises(Invalid) as caught:
        make(networkMode="container", networkContainerId="1i999")
    assert caught.value.field == "networkContainerId"
    with pytest.raises(Invalid, match="no host"):
        make(requestedHostId="1h999")


def test_two_containers_never_get_the_same_port(make: Any, sim: SimulatedDriver) -> None:
    first, second = make("one", ports=["8080:80/tcp"]), make("two", ports=["8080:80/tcp"])
    reconcile_until_idle()
    assert reload(first).display_state == "running"
    assert reload(second).display_state == "creating"
    assert "Scheduling failed" in reload(second).message
    assert "8080" in reload(second).message
    assert reload(second).placement


def test_its_engine_name_conflict_with_itself_is_no_conflict(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    sim.fail_next("find", EngineConflict("busy"))
    reconcile_until_idle()
    reconcile_later(row)
    assert len(sim.containers()) == 1


@pytest.mark.parametrize(
    ("attempts", "keep_running", "seconds"),
    [(0, True, 1), (1, True, 5), (2, True, 10), (3, True, 15), (50, True, 15), (1, False, 15)],
)
def test_what_finds_no_host_is_tried_less_and_less_often(
    make: Any, attempts: int, keep_running: bool, seconds: int
) -> None:
    row = make(labels={"io.rancher.scheduler.affinity:host_label": "disk=none"})
    row.attempts, row.keep_running = attempts, keep_running
    found = assign_host(row)
    assert isinstance(found, ReconcileResult)
    assert found.requeue_after == seconds


def test_many_that_find_no_host_are_tried_less_often_together(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [make(labels={"io.rancher.scheduler.affinity:host_label": "disk=none"}) for _ in range(3)]
    rows[0].attempts = 1
    for tries_per_second, seconds in ((0.1, 30), (0.001, 300)):
        monkeypatch.setattr(placement, "TRIES_PER_SECOND", tries_per_second)
        found = assign_host(rows[0])
        assert isinstance(found, ReconcileResult)
        assert found.requeue_after == seconds
