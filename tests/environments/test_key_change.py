"""Changing a key that is there: who may, how far, what is written down, and what closes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.accounts.services import NewKey
from apps.control.cancel import operation_cancel
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_until_idle
from apps.core import hooks
from apps.core.errors import Forbidden, Invalid
from apps.environments.actor import Actor, actor_of_key
from apps.environments.models import Environment, KeyScope, OpenSocket
from apps.environments.services import (
    account_key_create,
    environment_key_create,
    key_change,
    role_create,
    socket_register,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def make(lab: Environment, actor_of: Any, run_loop: Any) -> Callable[..., NewKey]:
    """Creates a reconciled key of the lab."""

    def made(who: str = "alice", **limits: Any) -> NewKey:
        found = environment_key_create(actor=actor_of(who), environment=lab, name="ci", **limits)
        run_loop()
        return found

    return made


def reload(key: ApiKey) -> ApiKey:
    return ApiKey.objects.select_related("scope", "account").get(pk=key.pk)


def open_one(key: ApiKey, lab: Environment, permission: str, address: str = "10.0.0.1") -> int:
    return socket_register(
        account=key.account_id, key=key.pk, environment=lab.pk, verb="exec", permission=permission, address=address
    )


def test_the_role_of_an_environment_s_key_is_narrowed_in_its_scope(make: Any, actor_of: Any, lab: Environment):
    made = make()
    key_change(reload(made.key), actor=actor_of("bob"), role="readonly", name="reader")
    key = reload(made.key)
    assert (key.scope.role, key.role, key.name) == ("readonly", "", "reader")
    assert "exec" not in actor_of_key(key, "api").permissions(lab.pk)


def test_the_role_of_an_account_s_key_is_narrowed(actor_of: Any, run_loop: Any):
    made = account_key_create(actor=actor_of("bob"), name="all")
    run_loop()
    key_change(reload(made.key), actor=actor_of("bob"), role="restricted")
    assert reload(made.key).role == "restricted"
    assert not KeyScope.objects.filter(key=made.key).exists()
    with pytest.raises(Invalid, match="may do more than this key"):
        key_change(reload(made.key), actor=actor_of("bob"), role="owner")


@pytest.mark.parametrize("role", ["owner", "member", "hosts-too"])
def test_a_role_is_never_widened_not_even_by_an_owner(role: str, make: Any, actor_of: Any):
    role_create(actor=actor_of("root"), name="hosts-too", permissions=["hosts"])
    made = make(role="restricted")
    with pytest.raises(Invalid) as refusal:
        key_change(reload(made.key), actor=actor_of("alice"), role=role, name="x")
    assert (refusal.value.field, refusal.value.code) == ("role", "InvalidOption")
    assert (reload(made.key).scope.role, reload(made.key).name) == ("restricted", "ci")


def test_a_key_whose_role_is_gone_gets_none(make: Any, actor_of: Any):
    made = make()
    KeyScope.objects.update(role="gone")
    with pytest.raises(Invalid, match="may do more than this key"):
        key_change(reload(made.key), actor=actor_of("alice"), role="readonly")


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_who_may_not_manage_keys_changes_none(who: str, make: Any, actor_of: Any):
    made = make(addresses=["10.0.0.0/8"])
    for change in ({"addresses": ["10.1.0.0/16"]}, {"role": "readonly"}, {"expires": timezone.now() + HOUR}):
        with pytest.raises(Forbidden):
            key_change(reload(made.key), actor=actor_of(who), **change)
    assert reload(made.key).addresses == ["10.0.0.0/8"]


@pytest.mark.parametrize(("change", "field"), [({"expires": None}, "expires"), ({"addresses": []}, "addresses")])
def test_a_key_that_may_do_more_gets_no_more_from_a_smaller_role(
    change: dict[str, Any], field: str, make: Any, actor_of: Any
):
    made = make("alice", expires=timezone.now() + HOUR, addresses=["10.0.0.0/8"])
    with pytest.raises(Invalid, match="may do more than you") as refusal:
        key_change(reload(made.key), actor=actor_of("rex"), **change)
    assert refusal.value.field == field
    key_change(reload(made.key), actor=actor_of("rex"), addresses=["10.1.0.0/16"])
    assert reload(made.key).addresses == ["10.1.0.0/16"]
    key_change(reload(made.key), actor=actor_of("alice"), **change)
    assert getattr(reload(made.key), field) in (None, [])


def test_a_key_does_not_free_itself(make: Any):
    made = make("alice", expires=timezone.now() + HOUR, addresses=["10.0.0.0/8"])
    me: Actor = actor_of_key(reload(made.key), "api")
    before = reload(made.key)
    key_change(reload(made.key), actor=me, expires=None, addresses=[])
    assert (reload(made.key).expires, reload(made.key).addresses) == (before.expires, before.addresses)
    with pytest.raises(Invalid):
        key_change(reload(made.key), actor=replace(me), expires=timezone.now() + 2 * HOUR)
    with pytest.raises(Invalid):
        key_change(reload(made.key), actor=me, addresses=["0.0.0.0/0"])


def test_a_change_is_written_down_with_what_it_became(make: Any, actor_of: Any, people: Any, lab: Environment):
    made = make()
    until = timezone.now() + HOUR
    key_change(reload(made.key), actor=actor_of("bob"), role="readonly", addresses=["10.0.0.1"], expires=until)
    line = AuditEntry.all_objects.filter(event="apiKey.update").get()
    assert (line.account, line.target, line.environment_id) == (people.bob, made.key.pk, lab.pk)
    assert (line.request["role"], line.request["addresses"]) == ("readonly", ["10.0.0.1/32"])
    assert line.request["expires"].startswith(f"{until:%Y-%m-%d}")


def test_cancelling_a_change_brings_no_right_back(make: Any, actor_of: Any):
    ours, own = make(), account_key_create(actor=actor_of("bob"), name="own")
    reconcile_until_idle()
    for made, who in ((ours, "rex"), (own, "bob")):
        key_change(reload(made.key), actor=actor_of(who), name="new", role="readonly", addresses=["10.0.0.1"])
        (operation,) = Operation.all_objects.filter(kind="apiKey", target=made.key.pk, name="apiKey.update")
        operation_cancel(operation, actor=actor_of("root"))
        key = reload(made.key)
        scope = getattr(key, "scope", None)
        assert (key.name, key.addresses) == (made.key.name, ["10.0.0.1/32"])
        assert (scope.role if scope else key.role) == "readonly"


def test_sockets_that_lost_their_right_are_notified_and_counted(
    make: Any, actor_of: Any, lab: Environment, monkeypatch: pytest.MonkeyPatch
):
    made, other = make(), make()
    open_one(made.key, lab, "exec")
    open_one(made.key, lab, "logs")
    open_one(other.key, lab, "exec")
    notified: list[Any] = []
    monkeypatch.setattr(hooks.hooks, "rights_changed", [notified.append])
    actor = actor_of("alice")
    key_change(reload(made.key), actor=actor, role="readonly")
    assert [loss.sockets for loss in actor.revoked_counts] == [1]
    assert notified == [{"environment": lab.pk}]
    assert AuditEntry.all_objects.get(event="rights.lost").request["sockets"] == 1


@pytest.mark.parametrize(
    ("addresses", "closed"),
    [(["10.0.0.0/8"], 1), (["10.0.0.1", "192.0.2.7"], 0), (["2001:db8::1"], 2), ([], 0)],
)
def test_sockets_from_elsewhere_are_notified_and_counted(
    addresses: list[str], closed: int, make: Any, actor_of: Any, lab: Environment
):
    made = make()
    open_one(made.key, lab, "exec", "10.0.0.1")
    open_one(made.key, lab, "view", "192.0.2.7")
    actor = actor_of("alice")
    key_change(reload(made.key), actor=actor, addresses=addresses)
    assert sum(loss.sockets for loss in actor.revoked_counts) == closed
    assert OpenSocket.objects.count() == 2
