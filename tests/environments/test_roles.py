"""The four roles: what each may do, as data, as grants, and as verdicts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.services import key_create
from apps.environments.access import available, can, verdict
from apps.environments.actor import SYSTEM, Actor, actor_of_key
from apps.environments.models import Environment
from apps.environments.roles import PERMISSIONS, ROLES, highest_role
from apps.environments.services import environment_create
from apps.hosts.models import Host

Actors = Callable[..., Actor]

WHO = {"alice": "owner", "bob": "member", "rex": "restricted", "rita": "readonly", "mallory": None, "root": "owner"}
MAY: dict[str, str] = {
    "owner": "view logs values operate delete exec engine browse images keys hosts catalogs lock approve members own",
    "member": "view logs values operate delete exec browse images keys hosts lock approve",
    "restricted": "view logs values operate delete exec browse keys",
    "readonly": "view logs",
}


@pytest.mark.parametrize("permission", PERMISSIONS)
@pytest.mark.parametrize("who", WHO)
def test_everybody_holds_what_the_role_says_and_no_more(lab: Environment, actor_of: Actors, who: str, permission: str):
    expected = permission in MAY.get(WHO[who] or "", "").split()
    answer = can(actor_of(who), permission, lab.pk)
    assert bool(answer) is expected
    assert (permission in actor_of(who).permissions(lab.pk)) is expected
    assert bool(answer.reason) is not expected


@pytest.mark.parametrize("who", WHO)
def test_everybody_has_the_role_they_were_given(lab: Environment, actor_of: Actors, who: str):
    assert actor_of(who).role(lab.pk) == WHO[who]


def test_roles_are_ordered_each_within_the_one_above():
    ladder = [ROLES[name] for name in ("readonly", "restricted", "member", "owner")]
    assert all(low < high for low, high in itertools.pairwise(ladder))


def test_the_highest_of_several_roles_counts():
    assert highest_role(["readonly", "owner", "member"]) == "owner"
    assert highest_role(["nonsense"]) is None
    assert highest_role([]) is None


@pytest.mark.parametrize(
    ("who", "reason"),
    [("rita", "Your role here (readonly)"), ("mallory", "not a member"), ("rex", "Your role here (restricted)")],
)
def test_a_refusal_says_why(lab: Environment, actor_of: Actors, who: str, reason: str):
    assert reason in can(actor_of(who), "hosts", lab.pk).reason


@pytest.mark.parametrize(("who", "allowed"), [("root", True), ("alice", False), ("mallory", False)])
def test_site_wide_things_are_for_admins(lab: Environment, actor_of: Actors, who: str, *, allowed: bool):
    assert bool(can(actor_of(who), "admin", lab.pk)) is allowed
    assert bool(can(actor_of(who), "view", None)) is allowed


def test_the_loop_may_do_everything_and_nobody_may_do_nothing(lab: Environment):
    assert can(SYSTEM, "own", lab.pk)
    assert can(SYSTEM, "admin", None)
    nobody = Actor(None, "api")
    assert not can(nobody, "view", lab.pk)
    assert not can(nobody, "view", None)
    assert nobody.environments() == []
    assert nobody.permissions(lab.pk) == frozenset()


def test_a_member_sees_its_environments_an_admin_all_of_them_when_it_asks(lab: Environment, actor_of: Actors):
    other = environment_create(actor=actor_of("mallory"), name="Other")
    assert actor_of("bob").environments() == [lab.pk]
    assert actor_of("mallory").environments() == [other.pk]
    assert actor_of("root").environments() == []
    assert set(actor_of("root").environments(everything=True)) == {lab.pk, other.pk}
    assert actor_of("bob").environments(everything=True) == [lab.pk]
    assert set(SYSTEM.environments()) == {lab.pk, other.pk}


@pytest.mark.parametrize(("who", "count"), [("alice", 1), ("bob", 0), ("rita", 0)])
def test_environments_are_found_by_permission(lab: Environment, actor_of: Actors, who: str, count: int):
    assert len(actor_of(who).environments("own")) == count


def test_what_shows_as_possible_is_what_state_and_role_allow(lab: Environment, actor_of: Actors):
    host = Host.all_objects.create(
        environment=lab, url="sim://1", desired="active", state="active", observed_generation=1
    )
    mine = available(host, actor_of("bob"))
    assert {name for name, answer in mine.items() if answer} == {"deactivate", "evacuate", "update"}
    assert mine["activate"].reason == "Not possible while it is active."
    assert "create" not in mine
    assert not any(available(host, actor_of("rex")).values())
    assert not any(available(host, actor_of("mallory")).values())
    assert not verdict(actor_of("bob"), "explode", host)


def test_role_comes_before_state_in_a_refusal(lab: Environment, actor_of: Actors):
    host = Host.all_objects.create(
        environment=lab, url="sim://1", desired="active", state="active", observed_generation=1
    )
    assert "Your role here" in verdict(actor_of("rita"), "activate", host).reason


def test_an_accounts_own_key_acts_as_the_account(people: Any, lab: Environment, actor_of: Actors):
    key = key_create(actor=actor_of("rita"), account=people.rita).key
    actor = actor_of_key(key, "api")
    assert actor.role(lab.pk) == "readonly"
    assert actor.environments() == [lab.pk]
    assert verdict(actor, "update", key).reason.startswith("Not possible while it is registering")
