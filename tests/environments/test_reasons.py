"""Why somebody may do something: the explanation agrees with the evaluator, and predicted losses with real ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import (
    ApiKey,
    AuthProvider,
    Identity,
    User,
)
from apps.accounts.services import key_create
from apps.environments.actor import Actor, actor_of_key
from apps.environments.evaluator import EnvironmentRef, KeyLimit
from apps.environments.models import Environment, Member, Role
from apps.environments.reasons import (
    MembershipMatch,
    Revocation,
    Subject,
    after_revocation,
    explain,
    lost_permissions,
    possible_revocations,
)
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.selectors import (
    environment_refs_of,
    member_accounts_of,
    subject_of_key,
    subjects_of,
)
from apps.environments.services import (
    account_key_create,
    environment_create,
    environment_key_create,
    members_set,
    memberships_sync,
    role_groups_sync,
)

Actors = Callable[..., Actor]
HERE, THERE = EnvironmentRef(7, "here"), EnvironmentRef(8, "there")
READ_PERMISSIONS = frozenset({"view", "logs"})


def match(role: str = "readonly", member: int = 1, ref: EnvironmentRef = HERE, **more: Any) -> MembershipMatch:
    return MembershipMatch(
        member, ref.environment, role, ROLES.get(role, READ_PERMISSIONS), display_name=f"m{member}", **more
    )


def test_each_permission_has_the_entries_that_grant_it():
    direct, group = match("readonly", 1), match("member", 2, identity="cn=ops", is_group=True)
    access = explain(Subject(3, matches=(direct, group)), HERE)
    assert access.paths["view"] == (direct, group)
    assert access.paths["exec"] == (group,)
    assert access.held == ROLES["member"]
    assert list(access.paths) == [name for name in PERMISSIONS if name in ROLES["member"]]
    assert (access.refused, access.beyond_limit) == ("", frozenset())


def test_administrators_hold_everything_for_being_that():
    access = explain(Subject(3, is_admin=True, matches=(match(),)), HERE)
    assert access.held == set(PERMISSIONS)
    assert access.paths["own"] == (None,)
    assert access.paths["view"] == (None, match())
    assert explain(Subject(3, is_admin=True), EnvironmentRef(9, is_active=False)).held == set(PERMISSIONS)


@pytest.mark.parametrize(
    ("subject", "ref", "why"),
    [
        (Subject(3), HERE, "stranger"),
        (Subject(3, matches=(match(ref=THERE),)), HERE, "stranger"),
        (Subject(3, is_active=False, is_admin=True, matches=(match(),)), HERE, "inactive"),
        (Subject(3, matches=(match(),), limit=KeyLimit(is_usable=False)), HERE, "inactive"),
        (Subject(3, matches=(match(),), limit=KeyLimit(environment=8)), HERE, "elsewhere"),
        (Subject(3, matches=(match("member"),)), EnvironmentRef(7, is_active=False), "asleep"),
        (Subject(3, matches=(match(),), limit=KeyLimit("x", frozenset({"exec"}))), HERE, "limit"),
    ],
)
def test_nothing_at_all_has_a_reason(subject: Subject, ref: EnvironmentRef, why: str):
    access = explain(subject, ref)
    assert (access.held, access.refused) == (frozenset(), why)


def test_owners_find_an_environment_that_sleeps():
    assert explain(Subject(3, matches=(match("owner"),)), EnvironmentRef(7, is_active=False)).held == ROLES["owner"]


def test_a_keys_role_leaves_less_and_says_what_it_keeps_back():
    access = explain(Subject(3, matches=(match("member"),), limit=KeyLimit("readonly", READ_PERMISSIONS)), HERE)
    assert access.held == READ_PERMISSIONS
    assert access.beyond_limit == ROLES["member"] - READ_PERMISSIONS


@pytest.mark.parametrize(
    ("limit", "is_unrestricted_admin"),
    [(None, True), (KeyLimit(), True), (KeyLimit("owner", ROLES["owner"]), False), (KeyLimit(environment=7), False)],
)
def test_only_unlimited_keys_of_administrators_rule(limit: KeyLimit | None, *, is_unrestricted_admin: bool):
    assert Subject(3, is_admin=True, limit=limit).is_unrestricted_admin is is_unrestricted_admin
    assert not Subject(3, limit=limit).is_unrestricted_admin
    assert not Subject(3, is_admin=True, is_active=False, limit=limit).is_unrestricted_admin


def test_what_could_be_taken_is_each_thing_once():
    matches = (
        match("member", 1),
        match("member", 2, THERE),
        match("readonly", 3, identity="ops", is_group=True),
        match("owner", 4, THERE, identity="ops", is_group=True),
    )
    found = possible_revocations(Subject(3, is_admin=True, matches=matches))
    assert [(revocation.kind, revocation.name) for revocation in found] == [
        ("admin", ""),
        ("member", "m1"),
        ("member", "m2"),
        ("group", "ops"),
        ("role", "member"),
        ("role", "readonly"),
        ("role", "owner"),
    ]


def test_a_revocation_takes_what_nothing_else_gives():
    subject = Subject(3, matches=(match("readonly", 1), match("member", 2, identity="ops", is_group=True)))
    assert lost_permissions(subject, Revocation("member", "m1", 1), [HERE]) == {}
    assert lost_permissions(subject, Revocation("group", "ops"), [HERE, THERE]) == {
        7: ROLES["member"] - READ_PERMISSIONS
    }
    assert lost_permissions(subject, Revocation("role", "member"), [HERE]) == {7: ROLES["member"] - READ_PERMISSIONS}
    assert lost_permissions(Subject(3, is_admin=True), Revocation("admin"), [HERE]) == {7: frozenset(PERMISSIONS)}


MATCHES = st.builds(
    match,
    st.sampled_from(list(ROLES)),
    st.integers(1, 4),
    st.sampled_from([HERE, THERE]),
    identity=st.sampled_from(["a", "b"]),
    is_group=st.booleans(),
)
LIMITS = st.none() | st.builds(
    KeyLimit,
    st.just("r"),
    st.none() | st.frozensets(st.sampled_from(list(PERMISSIONS))),
    st.sampled_from([None, 7, 8]),
    st.booleans(),
)
HOLDERS = st.builds(Subject, st.just(3), st.booleans(), st.booleans(), LIMITS, st.lists(MATCHES, max_size=5).map(tuple))


@given(HOLDERS, st.booleans())
def test_no_revocation_ever_gives_anything(subject: Subject, active: bool):
    ref = EnvironmentRef(7, "here", active)
    held = explain(subject, ref).held
    for revocation in possible_revocations(subject):
        left = explain(after_revocation(subject, revocation), ref).held
        assert left <= held
        assert lost_permissions(subject, revocation, [ref]).get(7, frozenset()) == held - left


@given(HOLDERS)
def test_all_revocations_together_leave_nothing(subject: Subject):
    for revocation in possible_revocations(subject):
        subject = after_revocation(subject, revocation)
    assert possible_revocations(subject) == []
    assert explain(subject, HERE).held == explain(subject, THERE).held == frozenset()


@given(HOLDERS)
def test_what_is_refused_is_empty_and_what_is_empty_is_refused(subject: Subject):
    access = explain(subject, HERE)
    assert bool(access.refused) is not bool(access.held)
    assert not access.held & access.beyond_limit


@pytest.fixture
def ops(people: Any) -> str:
    """A directory group that bob and rita are in."""
    provider = AuthProvider.objects.create(kind="openldap", enabled=True)
    for person in (people.bob, people.rita):
        Identity.objects.create(user=person, provider=provider, kind="openldap_user", external_id=f"u{person.pk}")
        Identity.objects.create(
            user=person, provider=provider, kind="openldap_group", external_id="g-ops", dn="cn=ops,ou=groups"
        )
    return "CN=ops,ou=groups"


def test_a_group_is_a_path_of_its_own(people: Any, lab: Environment, actor_of: Actors, ops: str):
    listed = [
        {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"},
        {"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "readonly"},
        {"externalId": ops, "externalIdType": "openldap_group", "role": "member"},
    ]
    members_set(lab, listed, actor=actor_of("alice"))
    subject = subjects_of([people.bob])[people.bob.pk]
    (ref,) = environment_refs_of([subject])
    access = explain(subject, ref)
    assert [(each.role, each.is_group) for each in access.paths["view"] if each] == [
        ("readonly", False),
        ("member", True),
    ]
    assert access.held == actor_of("bob").permissions(lab.pk)
    lost_rights = lost_permissions(subject, Revocation("group", "cn=ops,ou=groups"), [ref])
    assert lost_rights == {lab.pk: ROLES["member"] - ROLES["readonly"]}
    assert {user.login for user in member_accounts_of(lab.pk)} == {"alice", "bob", "rita"}


def test_what_a_revocation_would_take_is_what_it_takes(people: Any, lab: Environment, actor_of: Actors, ops: str):
    Member.objects.create(environment=lab, identity_type="openldap_group", identity=ops, role="owner")
    role_groups_sync(lab)
    subject = subjects_of([people.bob])[people.bob.pk]
    before = actor_of("bob").permissions(lab.pk)
    lost = lost_permissions(subject, Revocation("group", "cn=ops,ou=groups"), environment_refs_of([subject]))
    Identity.objects.filter(user=people.bob, kind="openldap_group").delete()
    memberships_sync(people.bob)
    assert before - actor_of("bob").permissions(lab.pk) == lost[lab.pk] == {"engine", "catalogs", "members", "own"}


def test_reading_many_takes_as_many_queries_as_reading_one(
    people: Any, lab: Environment, django_assert_num_queries: Any
):
    few, many = [people.bob], [people.bob, people.alice, people.rex, people.rita, people.root]
    for accounts in (few, many):
        with django_assert_num_queries(3):
            subjects_of(accounts)


ROLE = st.sampled_from([*ROLES, "odd", None])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    direct=ROLE, group=ROLE, limit=st.sampled_from(["", "odd", *ROLES]), asleep=st.booleans(), inside=st.booleans(),
    admin=st.booleans(),
)  # fmt: skip
def test_what_is_explained_is_what_is_held(
    people: Any, lab: Environment, actor_of: Actors, ops: str, custom: Any, **drawn: Any
):
    """Random graphs of memberships, groups, roles, keys: the explanation is the actor's own permissions."""
    Role.objects.filter(name="odd").exists() or custom("odd", "exec", "members")
    Environment.objects.filter(pk=lab.pk).update(desired="active")
    Member.objects.filter(environment=lab).exclude(account=people.alice).delete()
    who = ("rancher_id", f"1a{people.bob.pk}", people.bob), ("openldap_group", ops, None)
    for (kind, name, account), role in zip(who, (drawn["direct"], drawn["group"]), strict=True):
        if role:
            Member.objects.create(environment=lab, identity_type=kind, identity=name, account=account, role=role)
    role_groups_sync(lab)
    bob = User.objects.get(pk=people.bob.pk)
    bob.kind = "admin" if drawn["admin"] else "user"
    bob.save()
    actor = actor_of(bob)
    key = _key(actor, lab if drawn["inside"] else None, drawn["limit"])
    Environment.objects.filter(pk=lab.pk).update(desired="inactive" if drawn["asleep"] else "active")
    ref = EnvironmentRef(lab.pk, "Lab", not drawn["asleep"])
    assert explain(subjects_of([bob])[bob.pk], ref).held == actor_of(bob).permissions(lab.pk)
    if key is not None:
        subject = subject_of_key(ApiKey.objects.get(pk=key.pk))
        assert explain(subject, ref).held == actor_of_key(key, "api").permissions(lab.pk)
        assert subject.is_unrestricted_admin is actor_of_key(key, "api").is_admin


def _key(actor: Actor, environment: Environment | None, role: str) -> ApiKey | None:
    if environment is None:
        return account_key_create(actor=actor, role=role).key
    if "keys" not in actor.permissions(environment.pk):
        return None
    covered = not role or ROLES.get(role, frozenset({"view", "exec", "members"})) <= actor.permissions(environment.pk)
    return environment_key_create(actor=actor, environment=environment, role=role if covered else "").key


def test_an_expired_key_holds_nothing(people: Any, lab: Environment, actor_of: Actors):
    key = key_create(actor=actor_of("bob"), account=people.bob).key
    assert explain(subject_of_key(key), EnvironmentRef(lab.pk)).held == ROLES["member"]
    ApiKey.objects.filter(pk=key.pk).update(expires=timezone.now() - timedelta(seconds=1))
    found = ApiKey.objects.select_related("account").get(pk=key.pk)
    assert explain(subject_of_key(found), EnvironmentRef(lab.pk)).refused == "inactive"


def test_a_key_of_one_environment_is_explained_there_only(people: Any, lab: Environment, actor_of: Actors):
    environment_create(actor=actor_of("bob"), name="Other")
    key = environment_key_create(actor=actor_of("bob"), environment=lab, role="readonly").key
    subject = subject_of_key(ApiKey.objects.get(pk=key.pk))
    assert [ref.name for ref in environment_refs_of([subject])] == ["Lab"]
    assert {ref.name for ref in environment_refs_of([subjects_of([people.bob])[people.bob.pk]])} == {"Lab", "Other"}
