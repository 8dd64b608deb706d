"""Locks: every way to change what is locked is refused, to everybody, and the loop goes on healing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_update
from apps.control.cancel import operation_cancel
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid, Locked
from apps.environments.access import available
from apps.environments.models import Environment
from apps.environments.services import environment_act
from apps.hosts.models import Host
from apps.stacks.bulk import stack_services_act
from apps.stacks.lock import Lock
from apps.stacks.locks import lock_of, lock_remove, lock_set
from apps.stacks.models import Service, Stack
from apps.stacks.restart_services import RestartStrategy, service_restart
from apps.stacks.services import (
    link_add,
    link_remove,
    links_set,
    service_act,
    service_create,
    service_remove,
    service_update,
    stack_create,
    stack_update,
)
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import stack_act, stack_upgrade
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy

FILE = "web:\n  image: bb:local\n  hostname: other\n"
CONFIG = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Any) -> Stack:
    """A reconciled stack without services."""
    row = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    reconcile_until_idle()
    row.refresh_from_db()
    return row


@pytest.fixture
def serve(shop: Stack, actor_of: Any) -> Callable[..., Service]:
    """Creates a service of the stack that runs."""

    def make(name: str) -> Service:
        row = service_create(
            actor=actor_of("alice"), stack=shop, name=name, config=CONFIG, scale=2, start_on_create=True
        )
        reconcile_until_idle()
        reconcile_one("service", row.pk)
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def web(serve: Any) -> Service:
    """A service of two running containers."""
    found: Service = serve("web")
    return found


@pytest.fixture
def store(serve: Any) -> Service:
    """Another one, which is never locked itself."""
    found: Service = serve("store")
    return found


def upgrade(row: Service, actor: Any) -> None:
    service_upgrade(row, actor=actor, config=replace(row.config, hostname="x"), strategy=UpgradeStrategy())


SERVICE_CHANGES: dict[str, Callable[[Service, Service, Any], Any]] = {
    "scale": lambda web, _store, actor: service_update(web, actor=actor, scale=1),
    "rename": lambda web, _store, actor: service_update(web, actor=actor, name="other"),
    "upgrade": lambda web, _store, actor: upgrade(web, actor),
    "restart": lambda web, _store, actor: service_restart(web, actor=actor, strategy=RestartStrategy()),
    "stop": lambda web, _store, actor: service_act(web, "deactivate", actor=actor),
    "delete": lambda web, _store, actor: service_remove(web, actor=actor),
    "links": lambda web, store, actor: links_set(web, [(store, "")], actor=actor),
    "link": lambda web, store, actor: link_add(web, store, "", actor=actor),
    "unlink": lambda web, store, actor: link_remove(web, store, "", actor=actor),
    "stop all": lambda web, _store, actor: stack_services_act(web.stack, "deactivate", actor=actor),
    "delete the stack": lambda web, _store, actor: stack_act(
        Stack.all_objects.get(pk=web.stack_id), "remove", actor=actor
    ),
    "upgrade the stack": lambda web, _store, actor: stack_upgrade(fresh_stack(web), StackFiles(FILE), actor=actor),
    "stop a container": lambda web, _store, actor: container_act(member(web), "stop", actor=actor),
    "restart a container": lambda web, _store, actor: container_act(member(web), "restart", actor=actor),
    "delete a container": lambda web, _store, actor: container_act(member(web), "remove", actor=actor),
    "rename a container": lambda web, _store, actor: container_update(member(web), actor=actor, name="other"),
    "delete the environment": lambda web, _store, actor: environment_act(
        inactive(web.environment), "remove", actor=actor
    ),
}
STACK_CHANGES: dict[str, Callable[[Service, Service, Any], Any]] = {
    **SERVICE_CHANGES,
    "rename the stack": lambda web, _store, actor: stack_update(web.stack, actor=actor, name="other"),
    "add a service": lambda web, _store, actor: service_create(actor=actor, stack=web.stack, name="new", config=CONFIG),
}


def fresh_stack(web: Service) -> Stack:
    found: Stack = Stack.all_objects.get(pk=web.stack_id)
    return found


def member(web: Service) -> Container:
    found: Container = Container.all_objects.filter(spread_key=str(web.uuid), removed=None).order_by("pk")[0]
    return found


def inactive(row: Environment) -> Environment:
    Environment.objects.filter(pk=row.pk).update(state="inactive", desired="inactive")
    row.refresh_from_db()
    return row


def snapshot() -> list[Any]:
    """Every desired state, and how many operations there are."""
    rows = [
        list(model.all_objects.order_by("pk").values_list("pk", "name", "desired", "generation"))
        for model in (Stack, Service, Container)
    ]
    return [*rows, Operation.all_objects.count()]


@pytest.mark.parametrize("change", SERVICE_CHANGES)
def test_a_locked_service_is_changed_in_no_way(web: Service, store: Service, actor_of: Any, change: str):
    lock_set(web, "release freeze", actor=actor_of("bob"))
    before = snapshot()
    with pytest.raises(
        Locked, match=r"The service web has been locked by Bob since .* UTC: release freeze\. Unlock it first\."
    ):
        SERVICE_CHANGES[change](web, store, actor_of("alice"))
    assert snapshot() == before
    lock_remove(web, actor=actor_of("alice"))
    SERVICE_CHANGES[change](web, store, actor_of("alice"))


@pytest.mark.parametrize("change", STACK_CHANGES)
def test_a_locked_stack_covers_its_services(web: Service, store: Service, actor_of: Any, change: str):
    lock_set(web.stack, "", actor=actor_of("alice"))
    before = snapshot()
    with pytest.raises(Locked, match="The stack shop has been locked by Alice"):
        STACK_CHANGES[change](web, store, actor_of("alice"))
    assert snapshot() == before


def test_others_of_the_stack_are_changed_while_one_is_locked(web: Service, store: Service, actor_of: Any):
    lock_set(web, "", actor=actor_of("bob"))
    service_update(store, actor=actor_of("bob"), scale=1)
    container_act(member(store), "restart", actor=actor_of("bob"))
    link_add(store, web, "front", actor=actor_of("bob"))  # that changes who links, not who is linked to
    stack_update(web.stack, actor=actor_of("bob"), description="still mine to describe")


@pytest.mark.parametrize(
    ("who", "may"),
    [("alice", True), ("bob", True), ("root", True), ("rex", False), ("rita", False), ("mallory", False)],
)
@pytest.mark.parametrize("kind", ["stack", "service"])
def test_owners_and_members_lock_and_unlock(web: Service, actor_of: Any, who: str, may: bool, kind: str):
    row = web if kind == "service" else web.stack
    if not may:
        with pytest.raises(Forbidden):
            lock_set(row, "", actor=actor_of(who))
        lock_set(row, "", actor=actor_of("alice"))
        with pytest.raises(Forbidden):
            lock_remove(row, actor=actor_of(who))
        assert Lock.objects.count() == 1
        return
    lock_set(row, " why ", actor=actor_of(who))
    lock_remove(row, actor=actor_of(who))
    events = AuditEntry.all_objects.filter(event__in=(f"{kind}.lock", f"{kind}.unlock")).order_by("pk")
    assert list(events.values_list("event", "target_name", "request")) == [
        (f"{kind}.lock", row.name, {"reason": "why"}),
        (f"{kind}.unlock", row.name, {"reason": "why"}),
    ]


def test_the_loop_goes_on_healing(web: Service, actor_of: Any):
    lock_set(web, "", actor=actor_of("alice"))
    gone = member(web)
    Container.all_objects.filter(pk=gone.pk).update(desired="removed", state="removed", removed=gone.created)
    reconcile_one("service", web.pk)
    reconcile_until_idle()
    rows = Container.all_objects.filter(spread_key=str(web.uuid), removed=None, display_state="running")
    assert rows.count() == 2


def test_what_is_under_way_goes_on_but_is_neither_cancelled_nor_retried(web: Service, actor_of: Any):
    service_update(web, actor=actor_of("alice"), scale=3)
    lock_set(web, "", actor=actor_of("alice"))
    operation = Operation.all_objects.get(kind="service", target=web.pk, state="pending")
    with pytest.raises(Locked):
        operation_cancel(operation, actor=actor_of("alice"))
    operation.refresh_from_db()
    assert operation.state == "pending"
    reconcile_until_idle()
    assert Container.all_objects.filter(spread_key=str(web.uuid), removed=None).count() == 3


def test_one_lock_at_a_time_and_none_on_what_goes(web: Service, actor_of: Any):
    lock_set(web, "", actor=actor_of("alice"))
    with pytest.raises(ActionNotAvailable, match="already"):
        lock_set(web, "", actor=actor_of("bob"))
    lock_remove(web, actor=actor_of("alice"))
    with pytest.raises(ActionNotAvailable, match="no lock"):
        lock_remove(web, actor=actor_of("alice"))
    service_remove(web, actor=actor_of("alice"))
    with pytest.raises(ActionNotAvailable, match="deleted"):
        lock_set(web, "", actor=actor_of("alice"))


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("x" * 256, "MaxLengthExceeded"),
        ("\0", "InvalidCharacters"),
        ("\ud800", "InvalidCharacters"),
        (7, "InvalidFormat"),
        (None, "InvalidFormat"),
    ],
)
def test_a_reason_that_cannot_be_kept_is_refused(web: Service, actor_of: Any, reason: Any, code: str):
    with pytest.raises(Invalid) as caught:
        lock_set(web, reason, actor=actor_of("alice"))
    assert (caught.value.field, caught.value.code) == ("reason", code)
    assert not Lock.objects.exists()


def test_buttons_and_actions_say_why_they_are_not_possible(web: Service, actor_of: Any):
    lock_set(web.stack, "audit", actor=actor_of("alice"))
    for row in (web, web.stack, member(web)):
        verdicts = available(row, actor_of("bob"))
        assert not any(verdicts.values())
        assert "audit" in verdicts["remove"].reason
        found = lock_of(actor_of("rita"), row)
        assert found is not None
        assert found.reason == "audit"


def test_as_many_queries_for_many_rows_as_for_one(web: Service, store: Service, actor_of: Any):
    lock_set(web, "", actor=actor_of("alice"))
    actor = actor_of("bob")
    rows = [web, store, *Container.all_objects.filter(removed=None)]
    with CaptureQueriesContext(connection) as queries:
        for row in rows:
            available(row, actor)
    assert sum("stacks_lock" in query["sql"] for query in queries) == 1
