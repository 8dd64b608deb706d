"""Logging in through a real Active Directory (Samba)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate

from apps.accounts.providers.errors import DirectoryDown
from apps.environments.actor import actor_of_user
from apps.environments.services import members_set
from tests.accounts.samba import PASSWORD, Samba

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(os.geteuid() != 0, reason="the ports of Active Directory are below 1024"),
]
Configure = Callable[..., Any]


@pytest.fixture(autouse=True)
def directory(samba: Samba, configure: Configure) -> Any:
    return configure("ad", samba.config())


def log_in(name: str, password: str = PASSWORD) -> Any:
    return authenticate(None, username=name, password=password)


@pytest.mark.parametrize("name", ["ann", "ANN", "ann@ad.test", "ADT\\ann", "adt\\Ann"])
def test_every_way_to_write_a_name_means_the_same_account(people: Any, name: str):
    ann = log_in("ann")
    assert (ann.login, ann.name) == ("ann", "Ann Smith")
    assert log_in(name) == ann


@pytest.mark.parametrize("name", ["*", "ann)(cn=*", "OTHER\\ann", "ann@elsewhere.test", "nobody", "Administrator)"])
def test_other_names_mean_nobody(people: Any, name: str):
    assert log_in(name) is None


@pytest.mark.parametrize("password", ["wrong", "", PASSWORD.upper()])
def test_a_wrong_password_lets_nobody_in(people: Any, password: str):
    assert log_in("ann", password) is None


def test_a_disabled_person_stays_out(people: Any, samba: Samba):
    assert log_in("dora") is None
    samba.tool("user", "enable", "dora")
    assert log_in("dora") is not None
    samba.tool("user", "disable", "dora")
    assert log_in("dora") is None


def test_people_are_known_by_object_guid(people: Any):
    known = log_in("ann").identities.get(kind="ldap_user")
    assert len(known.external_id) == 36
    assert known.dn == "cn=ann smith,cn=users,dc=ad,dc=test"


def test_nested_groups_become_identities_and_roles(people: Any, lab: Any, samba: Samba):
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    fleet = {"externalId": "CN=Fleet,CN=Users,DC=ad,DC=test", "externalIdType": "ldap_group", "role": "restricted"}
    members_set(lab, [owner, fleet], actor=actor_of_user(people.alice, "api"))
    ann = log_in("ann")
    assert set(ann.identities.filter(kind="ldap_group").values_list("name", flat=True)) >= {"Crew", "Fleet"}
    assert actor_of_user(ann, "api").role(lab.pk) == "restricted"
    samba.tool("group", "removemembers", "Fleet", "Crew")
    log_in("ann")
    assert actor_of_user(ann, "api").role(lab.pk) is None
    samba.tool("group", "addmembers", "Fleet", "Crew")


def test_passwords_do_not_travel_in_clear(people: Any, samba: Samba, configure: Configure):
    configure("ad", samba.config(tls=False))
    with pytest.raises(DirectoryDown, match="encryption"):
        log_in("ann")
    configure("ad", samba.config(tls=False, startTls=True))
    assert log_in("ann") is not None


def test_a_wrong_service_account_is_reported(people: Any, samba: Samba, configure: Configure):
    configure("ad", samba.config(serviceAccountPassword="wrong"))
    with pytest.raises(DirectoryDown, match="service account"):
        log_in("ann")
