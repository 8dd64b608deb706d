"""Incidents about roles and keys in similar products, and the rule that each taught."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.services import account_update
from apps.core.errors import Forbidden
from apps.core.result import RevokedCounts
from apps.environments.actor import actor_of_key
from apps.environments.models import Environment
from apps.environments.roles import ROLES
from apps.environments.services import (
    account_key_create,
    environment_key_create,
    members_set,
    role_create,
    role_update,
    socket_register,
)


def member_entry(user: Any, role: str) -> dict[str, str]:
    return {"externalId": f"1a{user.pk}", "externalIdType": "rancher_id", "role": role}


def test_cve_2021_36775_a_key_does_not_outlive_the_membership(people: Any, lab: Environment, actor_of: Any):
    """Access survived removal from a project: keys and sockets end with the permission, at once, and are counted."""
    inside = environment_key_create(actor=actor_of("bob"), environment=lab).key
    outside = account_key_create(actor=actor_of("bob")).key
    socket_register(account=people.bob.pk, key=inside.pk, environment=lab.pk, verb="exec", permission="exec")
    alice = actor_of("alice")
    members_set(lab, [member_entry(people.alice, "owner")], actor=alice)
    for key in (inside, outside):
        assert actor_of_key(key, "api").permissions(lab.pk) == frozenset()
        assert actor_of_key(key, "api").environments() == []
    assert alice.revoked_counts == [RevokedCounts(sockets=1, keys=2)]


def test_cve_2023_22650_a_key_loses_what_the_role_loses(people: Any, lab: Environment, actor_of: Any):
    """A token kept what its user had lost: a key has its creator's present permissions, not those at its creation."""
    key = environment_key_create(actor=actor_of("bob"), environment=lab).key
    members_set(
        lab, [member_entry(people.alice, "owner"), member_entry(people.bob, "readonly")], actor=actor_of("alice")
    )
    assert actor_of_key(key, "api").permissions(lab.pk) == ROLES["readonly"]


def test_an_administrators_key_loses_its_permissions_with_the_kind(
    people: Any, lab: Environment, actor_of: Any, run_loop: Any
):
    """The same for former administrators."""
    account_update(people.mallory, actor=actor_of("root"), kind="admin")
    run_loop()
    people.mallory.refresh_from_db()
    key = account_key_create(actor=actor_of(people.mallory)).key
    assert actor_of_key(key, "api").is_admin
    account_update(people.mallory, actor=actor_of("root"), kind="user")
    key.refresh_from_db()
    assert not actor_of_key(key, "api").is_admin
    assert actor_of_key(key, "api").permissions(lab.pk) == frozenset()


def test_cve_2025_23391_nobody_changes_a_higher_role(people: Any, lab: Environment, actor_of: Any):
    """A restricted administrator took over an administrator: `members` alone changes nothing above oneself."""
    role_create(actor=actor_of("root"), name="clerk", permissions=["members"])
    owner, clerk = member_entry(people.alice, "owner"), member_entry(people.bob, "clerk")
    members_set(lab, [owner, clerk], actor=actor_of("alice"))
    for listed in (
        [owner, member_entry(people.bob, "owner")],
        [member_entry(people.bob, "owner")],
        [owner, clerk, member_entry(people.rex, "member")],
    ):
        with pytest.raises(Forbidden):
            members_set(lab, listed, actor=actor_of("bob"))
    assert actor_of("alice").role(lab.pk) == "owner"
    assert actor_of("bob").role(lab.pk) == "clerk"


def test_a_changed_role_takes_effect_for_existing_members(people: Any, lab: Environment, actor_of: Any):
    """Escalation by stale bindings (Rancher 2's role templates): grants are evaluated from the role as it is now."""
    role = role_create(actor=actor_of("root"), name="ops", permissions=["operate", "exec"])
    members_set(lab, [member_entry(people.alice, "owner"), member_entry(people.bob, "ops")], actor=actor_of("alice"))
    key = environment_key_create(actor=actor_of("alice"), environment=lab, role="ops").key
    role_update(role, actor=actor_of("root"), permissions=["logs"])
    assert actor_of("bob").permissions(lab.pk) == actor_of_key(key, "api").permissions(lab.pk) == {"view", "logs"}


def test_rancher_6229_a_bots_key_can_be_held_to_a_role(people: Any, lab: Environment, actor_of: Any):
    """Only keys with all permissions were offered: a key can be limited to a role, and creates no wider one."""
    key = environment_key_create(actor=actor_of("alice"), environment=lab, role="readonly").key
    actor = actor_of_key(key, "api")
    assert actor.permissions(lab.pk) == ROLES["readonly"]
    with pytest.raises(Forbidden):
        environment_key_create(actor=actor, environment=lab)
    with pytest.raises(Forbidden):
        account_key_create(actor=actor)
