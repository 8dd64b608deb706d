"""Logging in through a real OpenLDAP: who gets in, as whom, and who does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate

from apps.accounts.models import Identity, User
from apps.accounts.providers import DirectoryBackend
from apps.control.models import AuditEntry
from apps.core.errors import Unauthorized
from tests.accounts.slapd import PASSWORD, Slapd

pytestmark = pytest.mark.servers
Configure = Callable[..., Any]


@pytest.fixture(autouse=True)
def directory(slapd: Slapd, configure: Configure) -> Any:
    return configure("openldap", slapd.config())


def log_in(name: str, password: str = PASSWORD) -> Any:
    return authenticate(None, username=name, password=password)


def test_a_person_of_the_directory_gets_an_account_at_the_first_log_in(people: Any):
    ann = log_in("ann")
    assert (ann.login, ann.name, ann.kind, ann.is_active) == ("ann", "Ann", "user", True)
    assert not ann.has_usable_password()
    assert log_in("ann") == ann


@pytest.mark.parametrize("name", ["ANN", " ann "])
def test_case_and_blanks_around_a_name_do_not_matter(people: Any, name: str):
    assert log_in(name) == log_in("ann")


@pytest.mark.parametrize(
    ("name", "password"),
    [("ann", "wrong"), ("nobody", PASSWORD), ("ann", ""), ("", PASSWORD), ("", ""), ("ann", "\0"), ("a" * 5000, "x")],
)
def test_a_wrong_name_or_password_lets_nobody_in(people: Any, name: str, password: str):
    before = User.objects.count()
    assert log_in(name, password) is None
    assert User.objects.count() == before


@pytest.mark.parametrize(
    "name",
    [
        "*",
        "a*",
        "ann*",
        "ann)(uid=*",
        "*)(uid=*))(|(uid=*",
        "ann)(objectClass=*",
        "ann\\2a",
        "*)(|(userPassword=*)",
        "ann))%00",
        "(ann)",
        "%(user)s",
        "%s",
    ],
)
def test_a_name_is_never_a_filter(people: Any, name: str):
    assert log_in(name) is None


@pytest.mark.parametrize("name", ["o'neil (ops) *", "\\back,slash"])
def test_a_real_name_may_have_any_letters(people: Any, name: str):
    assert log_in(name).login == name


def test_somebody_renamed_in_the_directory_keeps_the_account(people: Any, slapd: Slapd):
    dn = slapd.person("mia")
    mia = log_in("mia")
    slapd.change(dn, "givenName", "Maria")
    moved = slapd.rename(dn, "uid=maria")
    assert log_in("maria") == mia
    assert mia.identities.get(kind="openldap_user").login == "maria"
    slapd.remove(moved)


def test_a_new_person_of_an_old_name_gets_an_account_of_their_own(people: Any, slapd: Slapd):
    slapd.remove(slapd.person("zoe"))
    slapd.person("zoe")
    first = log_in("zoe")
    slapd.remove(f"uid=zoe,{slapd.people['ann'].partition(',')[2]}")
    slapd.person("zoe")
    second = log_in("zoe")
    assert (first.login, second.login) == ("zoe", "zoe-2")
    slapd.remove(f"uid=zoe,{slapd.people['ann'].partition(',')[2]}")


def test_a_local_account_is_not_taken_over_by_its_name(people: Any):
    before = people.alice.password
    other = log_in("alice")
    assert other != people.alice
    assert (other.login, other.kind) == ("alice-2", "user")
    people.alice.refresh_from_db()
    assert people.alice.password == before


def test_the_directory_s_admin_is_not_the_local_admin(people: Any):
    User.all_objects.filter(pk=people.root.pk).update(login="admin")
    assert log_in("admin").login == "admin-2"
    assert not log_in("admin").is_admin


def test_an_account_deactivated_here_stays_out(people: Any):
    User.all_objects.filter(pk=log_in("ann").pk).update(desired="inactive")
    with pytest.raises(Unauthorized, match="deactivated"):
        log_in("ann")


def test_a_person_disabled_in_the_directory_stays_out(people: Any, slapd: Slapd, configure: Configure):
    assert log_in("dora") is not None
    configure("openldap", slapd.config(userEnabledAttribute="employeeNumber", userDisabledBitMask=2))
    assert log_in("dora") is None
    assert log_in("ann") is not None


def test_a_provider_that_is_off_lets_nobody_in_and_ends_its_sessions(people: Any, directory: Any):
    ann = log_in("ann")
    assert DirectoryBackend().get_user(ann.pk) == ann
    directory.enabled = False
    directory.save()
    assert log_in("ann") is None
    assert DirectoryBackend().get_user(ann.pk) is None


def test_a_change_of_the_configuration_counts_at_the_next_log_in(people: Any, slapd: Slapd, configure: Configure):
    assert log_in("ann") is not None
    configure("openldap", slapd.config(userSearchField="sn", userLoginField="sn"))
    assert log_in("ann") is None


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ({}, {"crew", "fleet", "loop"}),
        ({"userMemberAttribute": "gidNumber"}, {"crew", "fleet", "loop"}),
        ({"groupObjectClass": "posixGroup", "groupMemberMappingAttribute": "memberUid"}, {"ops"}),
        ({"groupObjectClass": "groupOfUniqueNames", "groupMemberMappingAttribute": "uniqueMember"}, set()),
    ],
)
def test_groups_and_the_groups_they_are_in_become_identities(
    people: Any, slapd: Slapd, configure: Configure, changes: dict[str, str], groups: set[str]
):
    configure("openldap", slapd.config(**changes))
    ann = log_in("ann")
    assert set(ann.identities.filter(kind="openldap_group").values_list("name", flat=True)) == groups


def test_a_group_that_was_left_is_forgotten_at_the_next_log_in(people: Any, slapd: Slapd):
    ann = log_in("ann")
    slapd.change(slapd.crew, "member", slapd.people["dora"])
    try:
        assert log_in("ann") == ann
        assert not Identity.objects.filter(user=ann, kind="openldap_group").exists()
    finally:
        slapd.change(slapd.crew, "member", slapd.people["ann"], slapd.people["dora"])


def test_a_first_log_in_is_written_down_without_the_password(people: Any):
    ann = log_in("ann")
    entry = AuditEntry.all_objects.filter(event="provider.save").latest("pk")
    assert "reader-password-8" not in str(entry.request)
    assert PASSWORD not in str(list(AuditEntry.all_objects.values_list("request", flat=True)))
    assert ann.pk


def test_two_directories_are_asked_in_order(people: Any, slapd: Slapd, configure: Configure):
    configure("ad", slapd.config(userSearchField="uid", userLoginField="uid", groupObjectClass="posixGroup"))
    assert log_in("ann").identities.filter(kind="openldap_user").exists()
    configure("openldap", slapd.config(userObjectClass="posixAccount"))
    assert log_in("ben").identities.filter(kind="ldap_user").exists()
