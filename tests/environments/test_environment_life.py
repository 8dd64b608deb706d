"""Environments: created, renamed, deactivated and, once nothing is left inside, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from apps.accounts.models import User
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.hooks import hooks
from apps.environments.actor import Actor, actor_of_key, actor_of_user
from apps.environments.models import Environment, Member
from apps.environments.selectors import environments_of
from apps.environments.services import (
    ensure_default_environment,
    environment_act,
    environment_create,
    environment_key_create,
    environment_update,
    owner_add,
)

Actors = Callable[..., Actor]


def reload(row: Environment) -> Environment:
    reconcile_one("environment", row.pk)
    return Environment.objects.get(pk=row.pk)


def test_who_makes_one_owns_it(people: Any, actor_of: Actors):
    made = environment_create(actor=actor_of("mallory"), name="  Mine ")
    assert made.name == "Mine"
    assert actor_of("mallory").role(made.pk) == "owner"
    assert actor_of("alice").role(made.pk) is None
    assert reload(made).display_state == "active"


@pytest.mark.parametrize("name", ["", "  ", 5, ["x"], "x" * 256])
def test_a_bad_name_is_refused_and_nothing_is_left(people: Any, actor_of: Actors, name: Any):
    groups = Group.objects.count()
    with pytest.raises(Invalid) as refusal:
        environment_create(actor=actor_of("bob"), name=name)
    assert refusal.value.field == "name"
    assert (Environment.objects.count(), Group.objects.count()) == (1, groups)


def test_one_without_a_name_is_called_by_its_number(people: Any, actor_of: Actors):
    made = [environment_create(actor=actor_of("bob"), name=None) for _ in range(2)]
    assert [each.name for each in made] == [f"Environment {each.pk}" for each in made]


def test_a_bad_member_list_leaves_no_environment(people: Any, actor_of: Actors):
    with pytest.raises(Problem):
        environment_create(actor=actor_of("bob"), name="X", members=[{"externalId": "1a999", "role": "owner"}])
    assert not Environment.objects.filter(name="X").exists()
    assert not Operation.all_objects.filter(target_name="X").exists()


def test_an_environment_key_makes_none(lab: Environment, actor_of: Actors):
    new = environment_key_create(actor=actor_of("alice"), environment=lab)
    with pytest.raises(Forbidden, match="account's key"):
        environment_create(actor=actor_of_key(new.key, "api"), name="X")


@pytest.mark.parametrize("who", ["bob", "rex", "rita", "mallory"])
def test_only_owners_change_it(lab: Environment, actor_of: Actors, who: str):
    with pytest.raises(Forbidden):
        environment_update(lab, actor=actor_of(who), name="X")
    with pytest.raises(Forbidden):
        environment_act(lab, "deactivate", actor=actor_of(who))
    lab.refresh_from_db()
    assert (lab.name, lab.desired, lab.generation) == ("Lab", "active", 1)


def test_an_owner_renames_it(lab: Environment, actor_of: Actors):
    environment_update(lab, actor=actor_of("alice"), name=" Works ", description="d", desired="removed")
    assert (lab.name, lab.description, lab.desired) == ("Works", "d", "active")
    with pytest.raises(Invalid):
        environment_update(reload(lab), actor=actor_of("alice"), name=" ")


def test_a_sleeping_one_is_there_for_its_owners_only(lab: Environment, actor_of: Actors):
    environment_act(lab, "deactivate", actor=actor_of("alice"))
    assert actor_of("alice").environments() == [lab.pk]
    for who in ("bob", "rex", "rita"):
        assert actor_of(who).environments() == []
        assert actor_of(who).permissions(lab.pk) == frozenset()
    assert [row.pk for row in environments_of(actor_of("alice"))] == [lab.pk]
    lab = reload(lab)
    assert lab.display_state == "inactive"
    environment_act(lab, "activate", actor=actor_of("alice"))
    assert actor_of("bob").environments() == [lab.pk]


def test_removal_waits_until_everything_inside_is_gone(
    lab: Environment, actor_of: Actors, monkeypatch: pytest.MonkeyPatch
):
    left = {"hosts": 2, "stacks": 1}

    def emptier(name: str) -> Callable[[int], int]:
        def empty(environment_id: int) -> int:
            assert environment_id == lab.pk
            left[name] = max(0, left[name] - 1)
            return left[name]

        return empty

    monkeypatch.setattr(hooks, "on_environment_removed", [emptier("hosts"), emptier("stacks")])
    environment_act(lab, "remove", actor=actor_of("alice"))
    lab = reload(lab)
    assert (lab.display_state, lab.transitioning, lab.message) == (
        "removing",
        "yes",
        "Waiting for 1 thing inside to go",
    )
    assert lab.next_attempt_at is not None
    lab = reload(lab)
    assert lab.display_state == "removed"
    assert lab.removed is not None


def test_a_removed_one_is_nobodys(lab: Environment, actor_of: Actors):
    environment_act(lab, "remove", actor=actor_of("alice"))
    for who in ("alice", "bob"):
        assert actor_of(who).environments() == []
    reload(lab)
    assert not Group.objects.filter(name__startswith=f"environment {lab.pk} ").exists()
    assert Member.objects.filter(environment=lab).count() == 4
    assert lab.pk in actor_of("root").environments(everything=True)


def test_a_restored_one_has_its_people_back(lab: Environment, actor_of: Actors):
    environment_act(lab, "remove", actor=actor_of("alice"))
    lab = reload(lab)
    environment_act(lab, "restore", actor=actor_of("root"))
    lab = reload(lab)
    assert (lab.display_state, lab.removed) == ("inactive", None)
    assert actor_of("alice").role(lab.pk) == "owner"
    environment_act(lab, "activate", actor=actor_of("alice"))
    assert actor_of("bob").role(lab.pk) == "member"


def test_a_purged_one_is_gone_for_admins_too(lab: Environment, actor_of: Actors):
    environment_act(lab, "remove", actor=actor_of("alice"))
    environment_act(reload(lab), "purge", actor=actor_of("root"))
    assert reload(lab).display_state == "purged"
    assert actor_of("root").environments(everything=True) == []


def test_every_installation_has_one_called_default(db: None):
    first = ensure_default_environment()
    assert (first.pk, first.name, first.wire_uuid) == (5, "Default", "adminProject")
    assert ensure_default_environment() == first
    user = User(login="zoe", desired="active")
    user.save()
    owner_add(first, user)
    assert actor_of_user(user, "api").role(first.pk) == "owner"


def test_changes_are_written_down_in_its_own_chain(lab: Environment, actor_of: Actors):
    environment_update(lab, actor=actor_of("alice"), name="Works")
    events = AuditEntry.objects.within([lab.pk]).order_by("pk").values_list("event", flat=True)
    assert list(events) == ["environment.create", "environment.update"]
