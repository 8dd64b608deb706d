"""Entries of a login provider's people and groups leave all member lists at once, and no other entry does."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment, Member
from apps.environments.services import environment_create, members_set
from apps.environments.services.provider_members import count_members, remove_members

GITHUB = ("github_user", "github_org", "github_team")
ACME = {"externalId": "7", "externalIdType": "github_org", "role": "owner"}
CREW = {"externalId": "cn=crew,dc=example,dc=org", "externalIdType": "openldap_group", "role": "member"}


def entry(user: Any, role: str = "owner") -> dict[str, str]:
    return {"externalId": f"1a{user.pk}", "externalIdType": "rancher_id", "role": role}


@pytest.fixture
def lists(people: Any, lab: Environment) -> list[Environment]:
    """Two environments with an organization among their members; the second has no other owner."""
    alice, root = actor_of_user(people.alice, "api"), actor_of_user(people.root, "cli")
    members_set(lab, [entry(people.alice), entry(people.bob, "member"), ACME, CREW], actor=alice)
    second = environment_create(actor=root, name="second")
    members_set(second, [entry(people.bob, "member"), ACME], actor=root)
    return [lab, second]


def entries_of(row: Environment) -> set[tuple[str, str]]:
    return set(Member.objects.filter(environment=row).values_list("identity_type", "role"))


def test_they_are_counted_over_all_lists(lists: list[Environment]):
    assert (count_members(GITHUB), count_members(["openldap_group"]), count_members([])) == (2, 1, 0)


def test_they_leave_every_list_and_the_others_stay(lists: list[Environment], people: Any):
    lab, second = lists
    assert remove_members(GITHUB, actor=actor_of_user(people.root, "cli")) == 2
    assert entries_of(lab) == {("rancher_id", "owner"), ("rancher_id", "member"), ("openldap_group", "member")}
    assert entries_of(second) == {("rancher_id", "member")}
    assert count_members(GITHUB) == 0


def test_the_audit_log_of_each_environment_says_which(lists: list[Environment], people: Any):
    before = AuditEntry.all_objects.count()
    remove_members(GITHUB, actor=actor_of_user(people.root, "cli"))
    made = AuditEntry.all_objects.order_by("pk")[before:]
    assert {each.environment_id for each in made} == {each.pk for each in lists}
    assert all(each.request == {"removed": [ACME]} for each in made)


def test_where_there_are_none_nothing_is_written(lists: list[Environment]):
    before = AuditEntry.all_objects.count()
    assert remove_members(["paper_user"], actor=None) == 0
    assert AuditEntry.all_objects.count() == before


@pytest.mark.parametrize("who", ["alice", "root"])
def test_who_owns_an_environment_otherwise_keeps_it(lists: list[Environment], people: Any, who: str):
    remove_members(GITHUB, actor=None)
    user = getattr(people, who)
    assert "members" in actor_of_user(user, "api").permissions(lists[0].pk)
