"""Cancelling a pending operation: the row goes back to where it was and never hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.audit.verify import verify
from apps.control.cancel import (
    can_cancel,
    can_retry,
    operation_cancel,
    operation_retry,
)
from apps.control.models import AuditEntry, Operation
from apps.control.services import note_progress, request_change
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden
from apps.drivers.base import EngineDown, EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import (
    service_act,
    service_create,
    service_update,
    stack_create,
)

Actors = Callable[..., Actor]


def last(row: Any) -> Operation:
    found: Operation = Operation.all_objects.filter(kind=row.KIND, target=row.pk).order_by("-pk")[0]
    return found


def config(**fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})


@pytest.fixture
def box(lab: Environment, host: Host, actor_of: Actors, run_loop: Any) -> Container:
    """A running container of the lab."""
    row = container_create(actor=actor_of("bob"), environment=lab, config=config(), name="box")
    run_loop()
    row.refresh_from_db()
    return row


@pytest.fixture
def web(lab: Environment, host: Host, actor_of: Actors, run_loop: Any) -> Service:
    """A running service of two containers."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=config(), scale=2, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    return row


def test_a_cancelled_creation_ends_in_removal(
    lab: Environment, host: Host, actor_of: Actors, run_loop: Any, sim: SimulatedDriver
):
    row = container_create(actor=actor_of("bob"), environment=lab, config=config(), name="box")
    first = last(row)
    operation_cancel(first, actor=actor_of("bob"))
    first.refresh_from_db()
    assert (first.state, first.message) == ("cancelled", "Cancelled by Bob.")
    assert first.ended is not None
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, sim.containers()) == ("removed", [])
    assert (last(row).name, last(row).state) == ("container.cancel", "succeeded")


@pytest.mark.parametrize(
    ("action", "meanwhile"), [("stop", "stopping"), ("remove", "removing"), ("restart", "restarting")]
)
def test_a_pending_request_to_a_running_container_is_reverted(
    box: Container, actor_of: Actors, run_loop: Any, action: str, meanwhile: str
):
    container_act(box, action, actor=actor_of("bob"))
    assert box.display_state == meanwhile
    operation_cancel(last(box), actor=actor_of("bob"))
    run_loop()
    box.refresh_from_db()
    assert (box.display_state, box.desired, box.fault, box.transitioning) == ("running", "running", False, "no")
    assert box.restart_mark == 0


def test_a_cancelled_start_goes_back_to_stopped(box: Container, actor_of: Actors, run_loop: Any):
    container_act(box, "stop", actor=actor_of("bob"))
    run_loop()
    box.refresh_from_db()
    container_act(box, "start", actor=actor_of("bob"))
    operation_cancel(last(box), actor=actor_of("bob"))
    run_loop()
    box.refresh_from_db()
    assert (box.display_state, box.desired) == ("stopped", "stopped")


def test_a_removal_that_hangs_because_the_engine_is_away_can_be_cancelled(
    box: Container, actor_of: Actors, run_loop: Any, sim: SimulatedDriver, monkeypatch: Any
):
    from apps.control.reconcile import reconcile_one

    container_act(box, "remove", actor=actor_of("bob"))
    with monkeypatch.context() as patch:
        patch.setattr(SimulatedDriver, "inspect", _down)
        reconcile_one("container", box.pk)
    assert last(box).state == "running"
    operation_cancel(last(box), actor=actor_of("bob"))
    run_loop()
    box.refresh_from_db()
    assert (box.display_state, len(sim.containers())) == ("running", 1)


def _down(*_: Any, **__: Any) -> Any:
    raise EngineDown("no answer")


@pytest.mark.parametrize("change", [{"scale": 5}, {"scale": 0}, {"name": "other"}, {"metadata": {"a": 1}}])
def test_every_column_of_an_update_goes_back(web: Service, actor_of: Actors, run_loop: Any, change: dict[str, Any]):
    previous_values = {name: getattr(web, name) for name in change}
    service_update(web, actor=actor_of("bob"), **change)
    operation_cancel(last(web), actor=actor_of("bob"))
    run_loop()
    web.refresh_from_db()
    assert {name: getattr(web, name) for name in change} == previous_values
    assert web.display_state == "active"
    alive = Container.all_objects.filter(slot__service=web, display_state="running").count()
    assert alive == 2


@pytest.mark.parametrize("action", ["deactivate", "remove"])
def test_a_service_that_was_to_go_stays(web: Service, actor_of: Actors, run_loop: Any, action: str):
    service_act(web, action, actor=actor_of("bob"))
    from apps.control.reconcile import reconcile_one

    reconcile_one("service", web.pk)  # its containers are requested to stop
    operation_cancel(last(web), actor=actor_of("bob"))
    run_loop()
    web.refresh_from_db()
    assert (web.display_state, web.desired, web.removed) == ("active", "active", None)
    assert Container.all_objects.filter(slot__service=web, display_state="running").count() == 2


def test_a_cancellation_can_itself_be_cancelled(box: Container, actor_of: Actors, run_loop: Any):
    container_act(box, "stop", actor=actor_of("bob"))
    back = operation_cancel(last(box), actor=actor_of("bob"))
    assert back.name == "container.cancel"
    operation_cancel(back, actor=actor_of("bob"))
    run_loop()
    box.refresh_from_db()
    assert (box.display_state, box.desired) == ("stopped", "stopped")


@pytest.mark.parametrize("state", ["succeeded", "failed", "superseded", "cancelled"])
def test_what_is_over_is_not_cancelled(box: Container, actor_of: Actors, state: str):
    operation = last(box)
    Operation.all_objects.filter(pk=operation.pk).update(state=state)
    operation.refresh_from_db()
    with pytest.raises(ActionNotAvailable, match=state):
        operation_cancel(operation, actor=actor_of("bob"))


def test_the_second_of_two_cancels_is_refused(box: Container, actor_of: Actors):
    container_act(box, "stop", actor=actor_of("bob"))
    mine, theirs = last(box), last(box)
    operation_cancel(mine, actor=actor_of("bob"))
    with pytest.raises(ActionNotAvailable, match="ended just now"):
        operation_cancel(theirs, actor=actor_of("alice"))


def test_a_newer_desired_state_is_not_undone_with_an_old_operation(box: Container, actor_of: Actors, run_loop: Any):
    container_act(box, "stop", actor=actor_of("bob"))
    old = last(box)
    Container.all_objects.filter(pk=box.pk).update(generation=old.generation + 1, desired="running")
    assert operation_cancel(old, actor=actor_of("bob")) == old
    box.refresh_from_db()
    assert (box.desired, box.generation) == ("running", old.generation + 1)
    old.refresh_from_db()
    assert old.state == "cancelled"


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_who_may_not_request_may_not_cancel(box: Container, actor_of: Actors, who: str):
    container_act(box, "stop", actor=actor_of("bob"))
    operation = last(box)
    for act in (operation_cancel, operation_retry):
        with pytest.raises(Forbidden):
            act(operation, actor=actor_of(who))
    operation.refresh_from_db()
    assert operation.is_pending
    assert not can_cancel(operation, actor_of(who))


def test_cancelling_a_host_operation_requires_the_permission_over_hosts(host: Host, actor_of: Actors):
    request_change(host, "deactivate", actor=actor_of("bob"))
    with pytest.raises(Forbidden):
        operation_cancel(last(host), actor=actor_of("rex"))  # restricted: no hosts
    operation_cancel(last(host), actor=actor_of("bob"))
    host.refresh_from_db()
    assert host.desired == "active"


def test_a_pull_is_not_cancelled_but_what_waits_for_it(lab: Environment, host: Host, actor_of: Actors, run_loop: Any):
    from apps.containers.services import pull_ensure

    row = container_create(actor=actor_of("bob"), environment=lab, config=config(), name="box")
    pull = pull_ensure(row, host, "far/away:1")
    answer = can_cancel(last(pull), actor_of("root"))
    assert not answer
    assert "waits for it" in answer.reason


def test_cancelling_is_recorded_in_the_audit_log_and_the_activity(
    box: Container, lab: Environment, people: Any, actor_of: Actors
):
    container_act(box, "stop", actor=actor_of("bob"))
    stop = last(box)
    made = operation_cancel(stop, actor=actor_of("alice"))
    entry = AuditEntry.objects.within([lab.pk]).order_by("-pk")[0]
    assert (entry.event, entry.account, entry.target_name) == ("container.cancel", people.alice, "box")
    assert made.input == entry.request == {"operation": stop.pk, "name": "container.stop"}
    assert verify(lab.pk).is_intact


def test_the_replaced_desired_state_is_kept_out_of_sight(web: Service, actor_of: Actors):
    from django.db import connection

    service_update(web, actor=actor_of("bob"), metadata={"password": "hush-hush"})
    service_update(web, actor=actor_of("bob"), metadata={})
    with connection.cursor() as cursor:
        cursor.execute("SELECT previous_values FROM control_operation WHERE id = %s", [last(web).pk])
        stored = cursor.fetchone()[0]
    assert stored
    assert "hush" not in stored
    assert "hush-hush" in last(web).previous_values


def test_a_failed_operation_is_retried_as_a_new_one(
    lab: Environment, host: Host, actor_of: Actors, run_loop: Any, monkeypatch: Any, sim: SimulatedDriver
):
    def refuse(*_: Any) -> Any:
        raise EngineRefused("not today")

    with monkeypatch.context() as refusing:
        refusing.setattr(SimulatedDriver, "create", refuse)
        row = container_create(actor=actor_of("bob"), environment=lab, config=config(), name="box")
        run_loop()
    row.refresh_from_db()
    failed = last(row)
    assert (row.display_state, failed.state, failed.message) == ("error", "failed", "not today")
    retried = operation_retry(failed, actor=actor_of("bob"))
    assert (retried.name, retried.pk != failed.pk, retried.input) == ("container.create", True, failed.input)
    run_loop()
    row.refresh_from_db()
    retried.refresh_from_db()
    assert (row.display_state, retried.state, len(sim.containers())) == ("running", "succeeded", 1)


@pytest.mark.parametrize("state", ["succeeded", "superseded", "cancelled"])
def test_what_did_not_fail_is_not_tried_again(box: Container, actor_of: Actors, state: str):
    operation = last(box)
    Operation.all_objects.filter(pk=operation.pk).update(state=state)
    operation.refresh_from_db()
    assert not can_retry(operation, actor_of("bob"))
    with pytest.raises(ActionNotAvailable):
        operation_retry(operation, actor=actor_of("bob"))


def test_a_failure_that_something_newer_overtook_is_not_tried_again(box: Container, actor_of: Actors):
    operation = last(box)
    Operation.all_objects.filter(pk=operation.pk).update(state="failed")
    container_act(box, "stop", actor=actor_of("bob"))
    operation.refresh_from_db()
    with pytest.raises(ActionNotAvailable, match="newer"):
        operation_retry(operation, actor=actor_of("bob"))


def test_a_row_that_changes_between_reading_and_writing_is_refused(box: Container, actor_of: Actors, monkeypatch: Any):
    from apps.control import cancel

    container_act(box, "stop", actor=actor_of("bob"))
    stale = Container.all_objects.get(pk=box.pk)
    Container.all_objects.filter(pk=box.pk).update(generation=99)
    monkeypatch.setattr(cancel, "_target_row", lambda _operation: stale)
    with pytest.raises(Conflict):
        operation_cancel(last(box), actor=actor_of("bob"))
    assert last(box).is_pending  # all of it or nothing


def test_the_steps_of_a_container_are_reported(box: Container, actor_of: Actors, run_loop: Any):
    birth = Operation.all_objects.get(name="container.create", target=box.pk)
    assert [line.text for line in birth.lines.all()] == ["Placed on h1.", "Created on h1.", "Started."]
    container_act(box, "stop", actor=actor_of("bob"))
    run_loop()
    assert [line.text for line in last(box).lines.all()] == ["Stopped."]
    box.refresh_from_db()
    container_act(box, "remove", actor=actor_of("bob"))
    run_loop()
    assert [line.text for line in last(box).lines.all()] == ["Removed from h1."]


def test_a_note_without_anything_going_on_is_not_kept(box: Container):
    lines = last(box).lines.count()
    note_progress(box, "nobody listens")
    note_progress(box)
    assert last(box).lines.count() == lines
