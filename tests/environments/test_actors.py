"""Actors: what one may do is read once, and is what the tables say of that account or key alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.containers.models import Container
from apps.environments.access import (
    available,
    can,
    environment_of,
    verdict,
)
from apps.environments.actor import (
    SYSTEM,
    Actor,
    actor_of_anonymous,
    actor_of_key,
    actor_of_user,
)
from apps.environments.models import (
    Environment,
    KeyScope,
    OpenSocket,
    Role,
    SocketTicket,
)
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.selectors import role_choices
from apps.environments.selectors.members import members_of
from apps.environments.services import account_key_create, environment_create, environment_key_create
from apps.hosts.models import Host

Actors = Callable[..., Actor]


@pytest.mark.parametrize(
    ("age", "is_recent"),
    [
        (None, False),
        (timedelta(0), True),
        (timedelta(minutes=9, seconds=50), True),
        (timedelta(minutes=10), False),
        (timedelta(days=1), False),
    ],
)
def test_a_password_counts_for_ten_minutes(age: timedelta | None, is_recent: bool, people: Any) -> None:
    password_confirmed_at = None if age is None else timezone.now() - age
    assert (
        replace(
            actor_of_user(people.bob, "console"), password_confirmed_at=password_confirmed_at
        ).recently_authenticated
        is is_recent
    )


@pytest.mark.parametrize("via", ["system", "clock", "cli"])
def test_the_machine_itself_is_always_fresh(via: str) -> None:
    assert Actor(None, via).recently_authenticated


def test_an_anonymous_actor_is_not_recently_authenticated_and_not_the_system() -> None:
    nobody = Actor(None, "api")
    assert (nobody.recently_authenticated, nobody.is_system, nobody.is_admin) == (False, False, False)
    assert nobody.environments() == []
    assert nobody.permissions(1) == frozenset()
    assert nobody.role(1) is None


@pytest.mark.parametrize(("via", "system"), [("system", True), ("clock", True), ("agent", False), ("console", False)])
def test_only_the_loop_is_the_system(via: str, system: bool) -> None:
    assert Actor(None, via).is_system is system


def test_keys_prove_nobody_and_say_so_by_their_kind(people: Any, actor_of: Actors) -> None:
    actor = actor_of_key(account_key_create(actor=actor_of("bob")).key, "api")
    assert (actor.recently_authenticated, actor.auth_type, actor.limit_role, actor.limit) == (
        False,
        "BasicAuth",
        "",
        None,
    )


def test_an_anonymous_actor_acts_as_the_account_and_is_marked_as_anonymous(people: Any, lab: Environment) -> None:
    anonymous = actor_of_anonymous(people.root, "api", address="203.0.113.7")
    assert (anonymous.is_anonymous, anonymous.is_admin, anonymous.recently_authenticated) == (True, True, False)
    assert not actor_of_user(people.root, "api").is_anonymous


def test_permissions_are_found_out_once(lab: Environment, actor_of: Actors, django_assert_num_queries: Any) -> None:
    actor = actor_of("bob")
    with django_assert_num_queries(1):
        assert actor.permissions(lab.pk) == actor.permissions(lab.pk) == ROLES["member"]
    actor.clear_permission_cache()
    with django_assert_num_queries(1):
        actor.permissions(lab.pk)


def test_several_environments_are_learned_in_one_query(
    people: Any, lab: Environment, actor_of: Actors, django_assert_num_queries: Any
) -> None:
    others = [environment_create(actor=actor_of("bob"), name=f"e{n}") for n in range(3)]
    actor, keys = actor_of("bob"), [lab.pk, *(each.pk for each in others), 10**12]
    with django_assert_num_queries(1):
        actor.prefetch_permissions(keys)
        found = [actor.role(key) for key in keys]
    assert found == ["member", "owner", "owner", "owner", None]
    with django_assert_num_queries(0):
        actor.prefetch_permissions(keys)


@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_where_somebody_may_is_the_same_however_it_is_asked(who: str, lab: Environment, actor_of: Actors) -> None:
    for permission in PERMISSIONS:
        one, all_of = actor_of(who), actor_of(who)
        assert (lab.pk in all_of.environments(permission)) is (permission in one.permissions(lab.pk))
        assert all_of.permissions(lab.pk) == one.permissions(lab.pk)


def test_the_loop_and_administrators_who_ask_for_it_see_everything(lab: Environment, actor_of: Actors) -> None:
    everything = set(Environment.objects.values_list("pk", flat=True))
    assert set(SYSTEM.environments()) == everything
    assert set(actor_of("root").environments(everything=True)) == everything
    assert lab.pk not in actor_of("root").environments()
    assert actor_of("alice").environments(everything=True) == actor_of("alice").environments()


@pytest.mark.parametrize(
    ("role", "permission", "found"),
    [
        ("readonly", "view", True),
        ("readonly", "exec", False),
        ("restricted", "exec", True),
        ("restricted", "own", False),
    ],
)
def test_an_environment_s_key_finds_its_own_only(
    role: str, permission: str, found: bool, lab: Environment, actor_of: Actors
) -> None:
    environment_create(actor=actor_of("alice"), name="Other")
    actor = actor_of_key(environment_key_create(actor=actor_of("alice"), environment=lab, role=role).key, "api")
    assert actor.environments(permission) == ([lab.pk] if found else [])
    assert actor.environments(permission, everything=True) == ([lab.pk] if found else [])


def test_a_held_key_of_an_administrator_rules_nothing(people: Any, lab: Environment, actor_of: Actors) -> None:
    key = account_key_create(actor=actor_of("root"), role="readonly").key
    actor = actor_of_key(key, "api")
    assert (actor.is_admin, actor.limit_role) == (False, "readonly")
    assert actor.permissions(lab.pk) == ROLES["readonly"]
    assert actor.role(lab.pk) == "readonly"
    assert not can(actor, "exec", lab.pk)
    assert not can(actor, "admin", lab.pk)


def test_a_key_whose_role_is_gone_holds_nothing(people: Any, lab: Environment, actor_of: Actors) -> None:
    key = account_key_create(actor=actor_of("bob")).key
    ApiKey.objects.filter(pk=key.pk).update(role="was-deleted")
    actor = actor_of_key(ApiKey.objects.select_related("account").get(pk=key.pk), "api")
    assert actor.permissions(lab.pk) == frozenset()
    assert can(actor, "view", lab.pk).reason == "You are not a member of this environment."


def test_a_key_held_to_part_of_what_its_account_holds_is_called_by_the_rest(lab: Environment, actor_of: Actors) -> None:
    Role.objects.create(name="odd", permissions=["exec", "members"])
    key = account_key_create(actor=actor_of("bob"), role="odd").key
    actor = actor_of_key(key, "api")
    assert actor.permissions(lab.pk) == {"exec"}
    assert actor.role(lab.pk) == "less than a role"


@pytest.mark.parametrize(
    ("permission", "place", "answers"),
    [
        ("view", "lab", {"alice": True, "rita": True, "mallory": False, "root": True}),
        ("exec", "lab", {"alice": True, "rita": False, "mallory": False, "root": True}),
        ("admin", "lab", {"alice": False, "rita": False, "mallory": False, "root": True}),
        ("view", None, {"alice": False, "rita": False, "mallory": False, "root": True}),
    ],
)
def test_who_may_what_where(permission: str, place: Any, answers: Any, lab: Environment, actor_of: Actors) -> None:
    for who, expected in answers.items():
        found = can(actor_of(who), permission, lab.pk if place else None)
        assert bool(found) is expected, who
        assert bool(found.reason) is found.is_forbidden is (not expected)


def test_an_action_that_does_not_exist_is_nobody_s(lab: Environment, actor_of: Actors) -> None:
    found = verdict(actor_of("root"), "fly", lab)
    assert (bool(found), found.reason, found.is_forbidden) == (False, "There is no such action.", False)


def test_every_action_but_birth_has_a_verdict(host: Host, actor_of: Actors) -> None:
    found = available(host, actor_of("rita"))
    assert set(found) == set(Host.LIFECYCLE.transitions) - {"create"}
    assert not any(found.values())
    assert all(each.reason.startswith("Your role here (readonly) may not do this: it lacks") for each in found.values())


def test_the_state_is_the_reason_for_who_may(host: Host, actor_of: Actors) -> None:
    found = available(host, actor_of("bob"))
    assert found["deactivate"]
    assert (found["activate"].reason, found["activate"].is_forbidden) == ("Not possible while it is active.", False)


def test_rows_know_their_environment(people: Any, lab: Environment, host: Host, actor_of: Actors) -> None:
    inside = environment_key_create(actor=actor_of("bob"), environment=lab).key
    plain = account_key_create(actor=actor_of("bob")).key
    assert [environment_of(row) for row in (lab, host, inside, plain)] == [lab.pk, lab.pk, lab.pk, None]
    assert environment_of(Container(environment=lab)) == lab.pk


@pytest.mark.parametrize(("who", "may"), [("bob", True), ("alice", False), ("root", True), ("mallory", False)])
def test_an_account_s_keys_are_its_own(who: str, may: bool, people: Any, actor_of: Actors) -> None:
    key = account_key_create(actor=actor_of("bob")).key
    key.refresh_from_db()
    refused_by_role = verdict(actor_of(who), "deactivate", key).is_forbidden
    assert refused_by_role is (not may)


def test_a_key_that_may_not_manage_keys_leaves_its_account_s_alone(people: Any, actor_of: Actors) -> None:
    key = account_key_create(actor=actor_of("bob")).key
    weak = actor_of_key(account_key_create(actor=actor_of("bob"), role="readonly").key, "api")
    strong = actor_of_key(account_key_create(actor=actor_of("bob"), role="restricted").key, "api")
    assert verdict(weak, "deactivate", key).is_forbidden
    assert not verdict(strong, "deactivate", key).is_forbidden


def test_members_come_by_environment_also_where_there_are_none(
    lab: Environment, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        found = members_of([lab.pk, 10**12])
    assert {member.role for member in found[lab.pk]} == set(ROLES)
    assert found[10**12] == []


@pytest.mark.parametrize(
    ("within", "names"),
    [
        (None, ["owner", "member", "restricted", "readonly", "odd"]),
        (ROLES["readonly"], ["readonly"]),
        (ROLES["restricted"], ["restricted", "readonly", "odd"]),
        (frozenset({"exec"}), ["odd"]),
        (frozenset(), []),
    ],
)
def test_only_roles_that_one_covers_can_be_chosen(within: Any, names: list[str], db: None) -> None:
    Role.objects.create(name="odd", label="Odd ones", permissions=["exec"])
    found = role_choices(within)
    assert [each.name for each in found] == names
    assert all((each.key is None) is (each.name in ROLES) for each in found)


def test_a_role_holds_no_permission_that_does_not_exist(db: None) -> None:
    odd = Role.objects.create(name="odd", permissions=["exec", "fly"])
    assert odd.held == {"exec"}
    assert str(odd) == "odd"
    assert Role.permissions_of("odd") == Role.permissions_by_role()["odd"] == {"exec"}
    assert Role.permissions_of("nobody") == frozenset()
    assert Role.permissions_of("owner") == ROLES["owner"]


def test_a_made_role_cannot_pass_for_a_built_in_one(db: None) -> None:
    Role.objects.create(name="readonly", permissions=list(PERMISSIONS))
    assert Role.permissions_of("readonly") == ROLES["readonly"]


def test_rows_show_as_what_they_are(lab: Environment, people: Any) -> None:
    assert str(lab) == "Lab"
    assert {str(each) for each in lab.members.filter(account=people.bob)} == {f"1a{people.bob.pk} is member"}
    assert {str(each) for each in lab.role_groups.filter(role="owner")} == {f"owner of {lab.pk}"}
    assert str(KeyScope(role="readonly", environment=lab)) == f"readonly in {lab.pk}"
    assert str(SocketTicket(verb="logs", kind="container", target=7)) == "logs container 7"
    assert str(OpenSocket(verb="exec", account=1, environment=2)) == "exec of 1 in 2"
