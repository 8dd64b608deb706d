"""Groups and people of a directory on member lists: roles come and go with the login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import authenticate

from apps.accounts.models import User
from apps.core.errors import Problem
from apps.core.hooks import hooks
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment, Member
from apps.environments.services import members_set, memberships_sync, role_groups_sync
from tests.accounts.slapd import PASSWORD, Slapd

pytestmark = pytest.mark.servers
Entries = list[dict[str, str]]


@pytest.fixture(autouse=True)
def directory(slapd: Slapd, configure: Callable[..., Any]) -> Any:
    return configure("openldap", slapd.config())


@pytest.fixture
def listed(people: Any, lab: Environment, actor_of: Callable[..., Any]) -> Callable[..., list[Member]]:
    """Sets the lab's members: alice as owner and what is given as (kind, id, role)."""

    def make(*more: tuple[str, str, str]) -> list[Member]:
        entries = [{"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}]
        entries += [{"externalIdType": kind, "externalId": name, "role": role} for kind, name, role in more]
        return members_set(lab, entries, actor=actor_of("alice"))

    return make


@pytest.fixture
def notified() -> Iterator[list[Any]]:
    """The environments whose sockets were notified."""
    notified_environments: list[Any] = []

    def hear(what: Any) -> int:
        notified_environments.append(what["environment"])
        return 1

    hooks.rights_changed.append(hear)
    yield notified_environments
    hooks.rights_changed.remove(hear)


def log_in(name: str) -> User:
    user = authenticate(None, username=name, password=PASSWORD)
    assert isinstance(user, User)
    return user


def role(user: User, environment: Environment) -> str | None:
    return actor_of_user(user, "api").role(environment.pk)


def test_a_group_that_nobody_of_was_here_gives_its_role_at_the_first_log_in(
    listed: Any, lab: Environment, slapd: Slapd
):
    listed(("openldap_group", slapd.crew, "member"))
    assert role(log_in("ann"), lab) == "member"
    assert role(log_in("admin"), lab) is None


@pytest.mark.parametrize("dn", ["CN=Crew,OU=Groups,DC=example,DC=test", "cn=crew, ou=groups, dc=example, dc=test"])
def test_a_group_s_dn_may_be_written_as_people_do(listed: Any, lab: Environment, dn: str):
    listed(("openldap_group", dn, "readonly"))
    assert role(log_in("ann"), lab) == "readonly"


def test_a_nested_group_gives_its_role_too(listed: Any, lab: Environment, slapd: Slapd):
    listed(("openldap_group", slapd.fleet, "restricted"))
    assert role(log_in("ann"), lab) == "restricted"


def test_the_highest_of_several_roles_counts(listed: Any, lab: Environment, slapd: Slapd):
    listed(("openldap_group", slapd.crew, "readonly"), ("openldap_group", slapd.fleet, "owner"))
    assert role(log_in("ann"), lab) == "owner"


def test_a_group_that_was_left_takes_the_role_away_at_the_next_log_in(
    listed: Any, lab: Environment, slapd: Slapd, notified: list[Any]
):
    listed(("openldap_group", slapd.crew, "member"))
    ann = log_in("ann")
    assert notified.count(lab.pk) == 2
    slapd.change(slapd.crew, "member", slapd.people["dora"])
    try:
        log_in("ann")
        assert role(ann, lab) is None
        assert notified.count(lab.pk) == 3
    finally:
        slapd.change(slapd.crew, "member", slapd.people["ann"], slapd.people["dora"])
    assert role(log_in("ann"), lab) == "member"


def test_a_list_that_changes_later_counts_at_once(listed: Any, lab: Environment, slapd: Slapd):
    ann = log_in("ann")
    assert role(ann, lab) is None
    listed(("openldap_group", slapd.crew, "member"))
    assert role(ann, lab) == "member"
    listed()
    assert role(ann, lab) is None


def test_a_person_may_be_named_before_and_after_the_first_log_in(listed: Any, lab: Environment, slapd: Slapd):
    listed(("openldap_user", slapd.people["ben"], "member"))
    ben = log_in("ben")
    assert role(ben, lab) == "member"
    assert Member.objects.get(environment=lab, identity_type="openldap_user").account == ben
    listed(("openldap_user", ben.identities.get(kind="openldap_user").external_id, "readonly"))
    assert role(ben, lab) == "readonly"


def test_a_new_person_of_an_old_name_does_not_inherit_the_role(listed: Any, lab: Environment, slapd: Slapd):
    dn = slapd.person("kim")
    listed(("openldap_user", dn, "owner"))
    assert role(log_in("kim"), lab) == "owner"
    slapd.remove(dn)
    slapd.person("kim")
    assert role(log_in("kim"), lab) is None
    slapd.remove(dn)


def test_materialising_twice_changes_nothing(listed: Any, lab: Environment, slapd: Slapd, notified: list[Any]):
    listed(("openldap_group", slapd.crew, "member"))
    ann = log_in("ann")
    notified.clear()
    assert memberships_sync(ann) == []
    role_groups_sync(lab)
    assert (role(ann, lab), notified) == ("member", [])


def test_members_of_a_local_kind_keep_their_roles(listed: Any, people: Any, lab: Environment):
    assert memberships_sync(people.alice) == []
    assert role(people.alice, lab) == "owner"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("azuread_group", "x"),
        ("openldap_group", ""),
        ("openldap_group", " "),
        ("openldap_user", "x" * 513),
        ("ldap_user", "a\0b"),
    ],
)
def test_a_bad_name_on_the_list_is_refused(listed: Any, lab: Environment, kind: str, name: str):
    before = Member.objects.filter(environment=lab).count()
    with pytest.raises(Problem) as caught:
        listed((kind, name, "member"))
    assert (caught.value.status, caught.value.field) == (400, "members")
    assert Member.objects.filter(environment=lab).count() == before


def test_an_owner_group_alone_is_an_owner(people: Any, lab: Environment, slapd: Slapd, actor_of: Callable[..., Any]):
    entries: Entries = [{"externalIdType": "openldap_group", "externalId": slapd.crew, "role": "owner"}]
    members_set(lab, entries, actor=actor_of("alice"))
    assert role(people.alice, lab) is None
    assert role(log_in("ann"), lab) == "owner"
