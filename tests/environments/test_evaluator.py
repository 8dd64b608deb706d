"""Permissions have one evaluator: asked for one or for many it decides alike, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import ApiKey, User
from apps.environments.actor import SYSTEM, Actor, actor_of_key
from apps.environments.evaluator import Decision, EnvironmentRef, Grant, Holder, KeyLimit, evaluate
from apps.environments.grants import Principal, decide, decide_one, limit_of, limits_of, load_holders, read_grants
from apps.environments.models import Environment, EnvironmentGroupPermission, KeyScope, Role
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.selectors import rights_of
from apps.environments.services import account_key_create, environment_create, environment_key_create

Actors = Callable[..., Actor]
HERE, ASLEEP = EnvironmentRef(7), EnvironmentRef(7, is_active=False)
MEMBER = Grant(ROLES["member"], frozenset({"member"}))
OWNER = Grant(ROLES["owner"], frozenset({"owner"}))
EVERYTHING = frozenset(PERMISSIONS)


@pytest.mark.parametrize(
    ("holder", "ref", "grant", "expected"),
    [
        pytest.param(Holder(3), HERE, MEMBER, Decision(MEMBER.permissions, roles=MEMBER.roles), id="a member"),
        pytest.param(Holder(3), HERE, Grant(), Decision(refused="stranger"), id="nothing granted"),
        pytest.param(Holder(3, is_active=False), HERE, MEMBER, Decision(refused="inactive"), id="inactive"),
        pytest.param(Holder(3), ASLEEP, MEMBER, Decision(refused="asleep"), id="not active, not an owner"),
        pytest.param(Holder(3), ASLEEP, OWNER, Decision(EVERYTHING, roles=OWNER.roles), id="not active, an owner"),
        pytest.param(
            Holder(3, is_admin=True), ASLEEP, Grant(), Decision(EVERYTHING, roles=OWNER.roles), id="an administrator"
        ),
        pytest.param(
            Holder(3, is_admin=True, limit=KeyLimit(environment=8)), HERE, OWNER, Decision(refused="elsewhere"),
            id="a key of another environment",
        ),
        pytest.param(
            Holder(3, limit=KeyLimit("readonly", ROLES["readonly"])), HERE, MEMBER,
            Decision(ROLES["readonly"], "", ROLES["member"] - ROLES["readonly"], MEMBER.roles),
            id="a limited key",
        ),
        pytest.param(
            Holder(3, limit=KeyLimit("gone", frozenset())), HERE, MEMBER,
            Decision(refused="limit", beyond_limit=ROLES["member"], roles=MEMBER.roles), id="a key whose role is gone",
        ),
    ],
)  # fmt: skip
def test_grant_state_and_limit_decide(holder: Holder, ref: EnvironmentRef, grant: Grant, expected: Decision) -> None:
    assert evaluate(holder, ref, grant) == expected


SETS = st.frozensets(st.sampled_from(list(PERMISSIONS)))
LIMITS = st.none() | st.builds(
    KeyLimit, st.just("r"), st.none() | SETS, st.sampled_from([None, 7, 8]), is_usable=st.booleans()
)
HOLDERS = st.builds(Holder, st.just(3), st.booleans(), st.booleans(), LIMITS)


@given(HOLDERS, st.sampled_from([HERE, ASLEEP]), SETS)
def test_nobody_holds_more_than_is_granted_and_nothing_always_has_a_reason(
    holder: Holder, ref: EnvironmentRef, granted: frozenset[str]
) -> None:
    found = evaluate(holder, ref, Grant(granted))
    assert bool(found.refused) is not bool(found.held)
    assert not found.held & found.beyond_limit
    if not holder.is_admin:
        assert found.held <= granted
    assert found.held <= evaluate(replace(holder, limit=None), ref, Grant(granted)).held


@given(HOLDERS, st.sampled_from([HERE, ASLEEP]), SETS, SETS)
def test_a_larger_grant_takes_nothing(
    holder: Holder, ref: EnvironmentRef, granted: frozenset[str], more: frozenset[str]
) -> None:
    assert evaluate(holder, ref, Grant(granted)).held <= evaluate(holder, ref, Grant(granted | more)).held


@pytest.fixture
def keys(lab: Environment, actor_of: Actors, custom: Any) -> list[ApiKey]:
    """Keys of bob and root of all kinds: of the account and of the lab, unlimited, limited, expired, switched off."""
    custom("runner", "exec")
    made = [
        account_key_create(actor=actor_of(who), role=role).key for who in ("bob", "root") for role in ("", "runner")
    ]
    made += [environment_key_create(actor=actor_of("bob"), environment=lab, role="readonly").key for _ in range(3)]
    ApiKey.objects.filter(pk=made[-1].pk).update(desired="inactive")
    ApiKey.objects.filter(pk=made[-2].pk).update(expires=timezone.now() - timedelta(seconds=1))
    return list(ApiKey.objects.filter(pk__in=[key.pk for key in made]).select_related("account", "scope"))


def test_everybody_at_once_is_decided_as_everybody_alone(
    people: Any, lab: Environment, keys: list[ApiKey], actor_of: Actors
) -> None:
    other = environment_create(actor=actor_of("bob"), name="Other")
    places = [lab.pk, other.pk, 10**12]
    accounts = [Principal(user.pk) for user in vars(people).values()]
    found = rights_of([*accounts, *(Principal(key.account_id, key.pk) for key in keys)], places)
    actors = {Principal(user.pk): actor_of(user) for user in vars(people).values()}
    usable = [key for key in keys if key.desired == "active" and not key.is_expired]
    actors |= {Principal(key.account_id, key.pk): actor_of_key(key, "api") for key in usable}
    assert {each for each in found if found[each] and each not in actors} == set()
    for principal, actor in actors.items():
        expected = {(place, name) for place in places for name in actor.permissions(place)}
        assert found[principal] == expected | ({(None, "admin")} if actor.is_admin else set())


def test_the_queries_do_not_depend_on_how_many_are_asked_about(
    people: Any, lab: Environment, keys: list[ApiKey], django_assert_num_queries: Any
) -> None:
    few = [Principal(keys[1].account_id, keys[1].pk)]
    many = [*(Principal(user.pk) for user in vars(people).values()), *(Principal(k.account_id, k.pk) for k in keys)]
    for principals in (few, many):
        with django_assert_num_queries(4):  # accounts, keys, the roles that people made, grants
            decide(load_holders(principals), [lab.pk, 10**12])


def test_there_is_no_query_where_the_answer_is_known(lab: Environment, django_assert_num_queries: Any) -> None:
    pinned = Holder(3, limit=KeyLimit(environment=lab.pk + 1))
    with django_assert_num_queries(0):
        assert decide_one(Holder(3, is_admin=True), [lab.pk])[lab.pk].held == EVERYTHING
        assert decide_one(Holder(3, is_active=False), [lab.pk]) == decide_one(pinned, [lab.pk]) == {}
        assert not decide({}, [lab.pk])
        assert read_grants([], [lab.pk]) == read_grants([3], []) == {}
        assert SYSTEM.permissions(lab.pk) == EVERYTHING


def test_a_key_of_one_environment_is_decided_there_only(people: Any, lab: Environment, actor_of: Actors) -> None:
    environment_create(actor=actor_of("bob"), name="Other")
    pinned = Holder(people.bob.pk, limit=KeyLimit(environment=lab.pk))
    assert set(decide_one(pinned)) == {lab.pk}
    assert len(decide_one(Holder(people.bob.pk))) == 2


@pytest.mark.parametrize(("desired", "found"), [("active", True), ("inactive", True), ("removed", False)])
def test_everywhere_means_where_an_environment_was_not_removed(
    desired: str, found: bool, people: Any, lab: Environment
) -> None:
    Environment.objects.filter(pk=lab.pk).update(desired=desired)
    assert (lab.pk in decide_one(Holder(people.alice.pk))) is found
    assert lab.pk in decide_one(Holder(people.alice.pk), [lab.pk])


def test_what_does_not_exist_is_not_effective(people: Any, lab: Environment) -> None:
    missing = [Principal(10**12), Principal(people.bob.pk, 10**12)]
    holders = load_holders(missing)
    assert not any(each.is_effective for each in holders.values())
    assert not any(rights_of(missing, [lab.pk]).values())


def test_an_inactive_account_passes_nothing_on_to_its_keys(people: Any, lab: Environment, keys: list[ApiKey]) -> None:
    User.objects.filter(pk=people.bob.pk).update(desired="inactive")
    mine = [Principal(people.bob.pk), *(Principal(key.account_id, key.pk) for key in keys if key.account == people.bob)]
    assert not any(rights_of(mine, [lab.pk]).values())


def test_limits_are_read_alike_for_one_key_and_for_many(keys: list[ApiKey], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        found = limits_of(keys)
    for key in keys:
        assert limit_of(key, KeyScope.objects.filter(key=key).first()) == found[key.pk]


def test_a_made_role_never_stands_for_a_built_in_one(db: None, django_assert_num_queries: Any) -> None:
    Role.objects.create(name="readonly", permissions=list(PERMISSIONS))
    with django_assert_num_queries(0):
        assert Role.permissions_named(["readonly", "owner"]) == {name: ROLES[name] for name in ("readonly", "owner")}
    assert Role.permissions_named(["gone", ""]) == {"gone": frozenset(), "": frozenset()}


def test_a_grant_through_no_role_has_no_name(people: Any, lab: Environment) -> None:
    groups = lab.role_groups.filter(role="member")
    grants = EnvironmentGroupPermission.objects.filter(group__in=groups.values("group"))
    assert grants.exists()
    groups.delete()
    (grant,) = read_grants([people.bob.pk], [lab.pk])[people.bob.pk].values()
    assert grant == Grant(ROLES["member"])
