"""Undoing a deletion or a smaller scale: nothing is touched until the time is over, then the loop does it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import due_rows, reconcile_one, reconcile_until_idle
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.services import link_add, service_act, service_create, service_update, stack_create
from apps.stacks.stack_upgrade import stack_act
from apps.stacks.undo import GRACE, change_undo, is_undoable

CONFIG = {"imageUuid": "docker:bb:local"}


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Any) -> Stack:
    """A stack without services."""
    return stack_create(actor=actor_of("alice"), environment=lab, name="shop")


@pytest.fixture
def web(shop: Stack, actor_of: Any) -> Service:
    """A service of three running containers."""
    config = LaunchConfig.from_wire(CONFIG)
    row = service_create(actor=actor_of("alice"), stack=shop, name="web", config=config, scale=3, start_on_create=True)
    reconcile_until_idle()
    reconcile_one("service", row.pk)
    row.refresh_from_db()
    return row


def running() -> int:
    return int(Container.all_objects.filter(removed=None, desired="running", display_state="running").count())


def let_time_pass(row: Stack | Service) -> None:
    """Put the deadline into the past, as if it had gone by."""
    over = timezone.now() - GRACE - timedelta(seconds=1)
    type(row).all_objects.filter(pk=row.pk).update(undo_until=over, next_attempt_at=over)
    row.refresh_from_db()


def delete_stack(web: Service, actor: Any) -> Stack:
    return stack_act(web.stack, "remove", actor=actor, undo_seconds=10)


def delete_service(web: Service, actor: Any) -> Service:
    return service_act(web, "remove", actor=actor, undo_seconds=10)


def scale_down(web: Service, actor: Any) -> Service:
    return service_update(web, actor=actor, scale=1, undo_seconds=10)


CHANGES: dict[str, Callable[[Service, Any], Stack | Service]] = {
    "stack": delete_stack,
    "service": delete_service,
    "scale": scale_down,
}


@pytest.fixture(params=CHANGES)
def held(request: pytest.FixtureRequest, web: Service, actor_of: Any) -> Stack | Service:
    """A row whose last change can be undone, after the loop has looked at it."""
    web.stack.refresh_from_db()
    row: Stack | Service = CHANGES[request.param](web, actor_of("alice"))
    reconcile_until_idle()
    row.refresh_from_db()
    return row


def test_within_the_time_nothing_is_removed_and_the_loop_waits(held: Stack | Service):
    assert running() == 3
    assert is_undoable(held)
    assert held.transitioning == "yes"
    assert "undone" in held.message
    assert (held.KIND, held.pk) not in due_rows()
    reconcile_one(held.KIND, held.pk)  # an event of a container, say
    assert running() == 3


def test_it_is_undone_as_if_nothing_had_been(held: Stack | Service, web: Service, actor_of: Any):
    change_undo(held, actor=actor_of("alice"))
    reconcile_until_idle()
    for row in (web, web.stack):
        row.refresh_from_db()
        assert (row.desired, row.display_state, row.removed, row.undo_until) == ("active", "active", None, None)
    assert (running(), web.scale) == (3, 3)
    assert AuditEntry.all_objects.filter(event=f"{held.KIND}.cancel").exists()


def test_after_the_time_it_is_done_by_the_loop_alone(held: Stack | Service, web: Service):
    let_time_pass(held)
    reconcile_until_idle()
    web.refresh_from_db()
    assert running() == (1 if web.desired == "active" else 0)


def test_after_the_time_it_cannot_be_undone(held: Stack | Service, actor_of: Any):
    let_time_pass(held)
    with pytest.raises(ActionNotAvailable, match="too late"):
        change_undo(held, actor=actor_of("alice"))


def test_undoing_takes_what_the_change_took(held: Stack | Service, actor_of: Any):
    with pytest.raises(Forbidden):
        change_undo(held, actor=actor_of("rita"))
    assert is_undoable(held)


def test_without_a_time_a_change_is_at_once(web: Service, actor_of: Any):
    service_act(web, "remove", actor=actor_of("alice"))
    with pytest.raises(ActionNotAvailable):
        change_undo(web, actor=actor_of("alice"))
    reconcile_until_idle()
    assert running() == 0


def test_whatever_is_asked_next_is_not_held_back(web: Service, actor_of: Any):
    scale_down(web, actor_of("alice"))
    reconcile_until_idle()
    web.refresh_from_db()
    service_update(web, actor=actor_of("alice"), scale=2)
    reconcile_until_idle()
    web.refresh_from_db()
    assert (running(), web.undo_until) == (2, None)


def test_a_larger_scale_and_other_actions_are_not_held_back(web: Service, actor_of: Any):
    service_update(web, actor=actor_of("alice"), scale=4, undo_seconds=10)
    assert web.undo_until is None
    reconcile_until_idle()
    assert running() == 4
    web.refresh_from_db()
    service_act(web, "deactivate", actor=actor_of("alice"), undo_seconds=10)
    assert web.undo_until is None


def test_links_outlive_an_undone_deletion(web: Service, shop: Stack, actor_of: Any):
    config = LaunchConfig.from_wire(CONFIG)
    db = service_create(actor=actor_of("alice"), stack=shop, name="db", config=config)
    link_add(web, db, "database", actor=actor_of("alice"))
    reconcile_until_idle()
    db.refresh_from_db()
    service_act(db, "remove", actor=actor_of("alice"), undo_seconds=10)
    reconcile_until_idle()
    db.refresh_from_db()
    change_undo(db, actor=actor_of("alice"))
    reconcile_until_idle()
    assert list(ServiceLink.objects.values_list("service__name", "target__name", "name")) == [("web", "db", "database")]


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-1, "MinLimitExceeded"), (61, "MaxLimitExceeded"), (10**12, "MaxLimitExceeded"), ("9", "InvalidFormat"),
     (True, "InvalidFormat"), (1.5, "InvalidFormat"), (None, "InvalidFormat")],
)  # fmt: skip
def test_a_time_that_cannot_be_is_refused(web: Service, actor_of: Any, seconds: Any, code: str):
    changes: list[Callable[[], Any]] = [
        lambda: service_act(web, "remove", actor=actor_of("alice"), undo_seconds=seconds),
        lambda: service_update(web, actor=actor_of("alice"), scale=1, undo_seconds=seconds),
        lambda: stack_act(web.stack, "remove", actor=actor_of("alice"), undo_seconds=seconds),
    ]
    before = Operation.all_objects.count()
    for change in changes:
        with pytest.raises(Invalid) as caught:
            change()
        assert (caught.value.field, caught.value.code) == ("undoSeconds", code)
    assert Operation.all_objects.count() == before
