"""The member list: what it may hold, who may write it, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.control.models import AuditEntry
from apps.core.errors import Forbidden, Problem
from apps.core.hooks import hooks
from apps.environments.actor import Actor
from apps.environments.models import (
    Environment,
    EnvironmentGroupPermission,
    Member,
    RoleGroup,
)
from apps.environments.roles import ROLES
from apps.environments.selectors.members import members_of
from apps.environments.services import members_set, owner_add, role_groups_sync

Actors = Callable[..., Actor]
Entry = dict[str, Any]


def entry(user: User, role: Any = "owner") -> Entry:
    return {"externalId": f"1a{user.pk}", "externalIdType": "rancher_id", "role": role}


def table(lab: Environment) -> dict[int, str]:
    """Who has which role, by the member table."""
    return {m.account_id: m.role for m in Member.objects.filter(environment=lab) if m.account_id}


def granted(lab: Environment) -> dict[int, set[str]]:
    """Who holds which permissions, by guardian's grants alone."""
    found: dict[int, set[str]] = {}
    rows = EnvironmentGroupPermission.objects.filter(content_object=lab)
    for user, codename in rows.values_list("group__user", "permission__codename"):
        if user:
            found.setdefault(user, set()).add(codename)
    return found


def agrees(lab: Environment) -> bool:
    return granted(lab) == {user: set(ROLES[role]) for user, role in table(lab).items()}


def test_a_new_environment_has_its_members_groups_and_grants(lab: Environment):
    assert len(table(lab)) == 4
    assert RoleGroup.objects.filter(environment=lab).count() == len(ROLES)
    assert agrees(lab)


def test_a_new_list_replaces_the_old_one(people: Any, lab: Environment, actor_of: Actors):
    listed = members_set(lab, [entry(people.alice), entry(people.mallory, "member")], actor=actor_of("alice"))
    assert {(m.account_id, m.role) for m in listed} == {(people.alice.pk, "owner"), (people.mallory.pk, "member")}
    assert agrees(lab)
    assert actor_of("bob").environments() == []
    assert actor_of("mallory").role(lab.pk) == "member"


@pytest.mark.parametrize("who", ["bob", "rex", "rita", "mallory"])
def test_only_owners_write_the_list(people: Any, lab: Environment, actor_of: Actors, who: str):
    before = table(lab)
    with pytest.raises(Forbidden):
        members_set(lab, [entry(getattr(people, who))], actor=actor_of(who))
    assert table(lab) == before


def test_an_admin_who_is_no_member_may_write_it(people: Any, lab: Environment, actor_of: Actors):
    members_set(lab, [entry(people.bob)], actor=actor_of("root"))
    assert table(lab) == {people.bob.pk: "owner"}


def test_the_highest_role_of_somebody_named_twice_counts(people: Any, lab: Environment, actor_of: Actors):
    both = [entry(people.alice, "readonly"), entry(people.alice), entry(people.alice, "member")]
    members_set(lab, both, actor=actor_of("alice"))
    assert table(lab) == {people.alice.pk: "owner"}


def bad_lists(people: Any) -> dict[str, list[Any]]:
    good = entry(people.alice)
    return {
        "nobody": [],
        "no owner": [entry(people.alice, "member")],
        "not an object": [good, "bob"],
        "null": [None],
        "no id": [good, {**good, "externalId": None}],
        "empty id": [good, {**good, "externalId": ""}],
        "no type": [good, {"externalId": "1a7", "role": "owner"}],
        "unknown type": [good, {**good, "externalIdType": "pigeon"}],
        "provider id too long": [good, {**good, "externalId": "x" * 513, "externalIdType": "github_user"}],
        "type of a wrong kind": [good, {**good, "externalIdType": ["rancher_id"]}],
        "no role": [{**good, "role": None}],
        "unknown role": [good, entry(people.bob, "king")],
        "role of a wrong kind": [good, entry(people.bob, ["owner"])],
        "id of a wrong kind": [good, {**good, "externalId": {"a": 1}}],
        "no such account": [good, {**good, "externalId": "1a999"}],
        "number too large": [good, {**good, "externalId": "1a" + "9" * 30}],
        "not an id": [good, {**good, "externalId": "robert'); --"}],
    }


@pytest.mark.parametrize("case", range(17))
def test_a_bad_list_is_refused_whole(people: Any, lab: Environment, actor_of: Actors, case: int):
    before = table(lab)
    listed = list(bad_lists(people).values())[case]
    with pytest.raises(Problem) as refusal:
        members_set(lab, listed, actor=actor_of("alice"))
    assert (refusal.value.status, refusal.value.field) == (400, "members")
    assert table(lab) == before


def test_every_bad_list_is_tried(people: Any):
    assert len(bad_lists(people)) == 17


def test_a_removed_account_cannot_be_a_member(people: Any, lab: Environment, actor_of: Actors):
    User.all_objects.filter(pk=people.bob.pk).update(removed="2026-01-01T00:00:00Z")
    with pytest.raises(Problem, match="no account"):
        members_set(lab, [entry(people.alice), entry(people.bob)], actor=actor_of("alice"))


def test_a_change_is_audited_and_open_sockets_are_notified(
    people: Any, lab: Environment, actor_of: Actors, monkeypatch: pytest.MonkeyPatch
):
    notified: list[Any] = []
    monkeypatch.setattr(hooks, "rights_changed", [notified.append])
    members_set(lab, [entry(people.alice)], actor=actor_of("alice"))
    assert notified == [{"environment": lab.pk}]
    assert AuditEntry.objects.within([lab.pk]).filter(event="environment.setmembers").count() == 1


def test_applying_twice_changes_nothing(lab: Environment):
    before = granted(lab), Group.objects.count()
    role_groups_sync(lab)
    assert (granted(lab), Group.objects.count()) == before


def test_an_owner_can_be_added_beside_the_others(people: Any, lab: Environment, actor_of: Actors):
    owner_add(lab, people.mallory)
    assert actor_of("mallory").role(lab.pk) == "owner"
    assert actor_of("bob").role(lab.pk) == "member"


def test_a_member_that_is_added_as_owner_is_one(people: Any, lab: Environment, actor_of: Actors):
    owner_add(lab, people.rita)
    assert actor_of("rita").role(lab.pk) == "owner"
    assert agrees(lab)


def test_members_of_several_environments_take_one_query(
    lab: Environment, django_assert_num_queries: Callable[[int], Any]
):
    with django_assert_num_queries(1):
        found = members_of([lab.pk, 999])
    assert len(found[lab.pk]) == 4
    assert found[999] == []


NAMES = ["alice", "bob", "rex", "rita", "mallory", "root"]
edits = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(ROLES)), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


@pytest.mark.faces
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits)
def test_groups_and_grants_always_agree_with_the_table(
    people: Any, lab: Environment, actor_of: Actors, lists: list[dict[str, str]]
):
    for wanted in lists:
        listed = [entry(getattr(people, name), role) for name, role in wanted.items()]
        try:
            members_set(lab, listed, actor=actor_of("root"))
        except Problem:
            assert "owner" not in wanted.values()
        assert agrees(lab)
        assert "owner" in table(lab).values()
        for name in NAMES[:5]:
            assert actor_of(name).role(lab.pk) == table(lab).get(getattr(people, name).pk)
