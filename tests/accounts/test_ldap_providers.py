"""Switching a directory on and off: only administrators, only after a test, back off unless confirmed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from apps.accounts.models import AuthProvider
from apps.accounts.providers import ldap as ldap_package
from apps.accounts.providers import services
from apps.accounts.providers.errors import DirectoryDown
from apps.accounts.providers.ldap.config import ActiveDirectoryProviderConfig, DirectoryProviderConfig
from apps.control.models import AuditEntry
from apps.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Unauthorized,
)
from tests.accounts.slapd import PASSWORD, SERVICE_PASSWORD, Slapd

Actors = Callable[..., Any]
SAMPLE = {
    "server": "ldap.example.test",
    "domain": "dc=example,dc=test",
    "serviceAccountUsername": "cn=reader",
    "serviceAccountPassword": SERVICE_PASSWORD,
}


def stored(**changes: Any) -> dict[str, Any]:
    return {**SAMPLE, **changes}


def test_the_defaults_are_those_of_the_contract():
    ldap, ad = DirectoryProviderConfig.from_wire({}).to_wire(), ActiveDirectoryProviderConfig.from_wire({}).to_wire()
    assert (ldap["userSearchField"], ldap["groupObjectClass"], ldap["userMemberAttribute"]) == (
        "uid",
        "posixGroup",
        "gidNumber",
    )
    assert (ad["userSearchField"], ad["userEnabledAttribute"], ad["userDisabledBitMask"]) == (
        "sAMAccountName",
        "userAccountControl",
        2,
    )
    assert ldap["accessMode"] == ad["accessMode"] == "unrestricted"
    assert ldap["connectionTimeout"] == ad["connectionTimeout"] == 1000
    assert DirectoryProviderConfig.from_wire({"server": "a b:700,c"}).servers == [("a", 389), ("b", 700), ("c", 389)]
    assert DirectoryProviderConfig.from_wire({"server": "a", "tls": True}).servers == [("a", 636)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"server": ""}, "server"),
        ({"server": "ldap://x/"}, "server"),
        ({"domain": ""}, "domain"),
        ({"port": 0}, "port"),
        ({"port": "x"}, "port"),
        ({"userSearchField": "uid)(x"}, "userSearchField"),
        ({"groupObjectClass": "%s"}, "groupObjectClass"),
        ({"tls": True, "startTls": True}, "startTls"),
        ({"caCertificate": "not a certificate"}, "caCertificate"),
        ({"accessMode": "open"}, "accessMode"),
        ({"allowedIdentities": [{"externalIdType": "x", "externalId": "1"}]}, "allowedIdentities.externalIdType"),
        ({"serviceAccountPassword": ""}, "serviceAccountPassword"),
    ],
)
def test_a_wrong_field_is_refused_by_name(people: Any, actor_of: Actors, changes: dict[str, Any], field: str):
    with pytest.raises(Invalid) as caught:
        services.provider_save("openldap", stored(**changes), actor=actor_of("root"))
    assert caught.value.field == field
    assert not AuthProvider.objects.exists()


def test_a_kind_that_nobody_knows_is_refused(people: Any, actor_of: Actors):
    with pytest.raises(Invalid):
        services.provider_save("saml", {}, actor=actor_of("root"))


@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_only_administrators_decide_about_logging_in(people: Any, actor_of: Actors, who: str):
    actor = actor_of(who)
    for decide in (
        lambda: services.provider_save("openldap", stored(), actor=actor),
        lambda: services.provider_test("openldap", "x", "y", actor=actor),
        lambda: services.provider_enable("openldap", actor=actor),
        lambda: services.provider_confirm("openldap", actor=actor),
        lambda: services.provider_disable("openldap", actor=actor),
    ):
        with pytest.raises(Forbidden):
            decide()
    assert not AuthProvider.objects.exists()


def test_secrets_are_kept_encrypted_and_never_shown_again(people: Any, actor_of: Actors):
    provider = services.provider_save("openldap", stored(), actor=actor_of("root"))
    assert services.masked_config(provider)["serviceAccountPassword"] is None
    assert services.secrets_set(provider) == ["serviceAccountPassword"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT stored FROM accounts_authprovider")
        assert SERVICE_PASSWORD not in cursor.fetchone()[0]
    assert SERVICE_PASSWORD not in str(list(AuditEntry.all_objects.values_list("request", flat=True)))


def test_a_secret_left_out_stays_and_a_new_one_replaces_it(people: Any, actor_of: Actors):
    services.provider_save("openldap", stored(), actor=actor_of("root"))
    again = services.provider_save(
        "openldap", stored(serviceAccountPassword="", server="b.example.test"), actor=actor_of("root")
    )
    assert (again.config.to_wire()["serviceAccountPassword"], again.version) == (SERVICE_PASSWORD, 2)
    changed = services.provider_save("openldap", stored(serviceAccountPassword="another"), actor=actor_of("root"))
    assert changed.config.to_wire()["serviceAccountPassword"] == "another"


@pytest.mark.servers
def test_a_test_returns_the_identities_and_changes_nothing(people: Any, slapd: Slapd, actor_of: Actors):
    tested = services.provider_test("openldap", "ann", PASSWORD, actor=actor_of("root"), data=slapd.config())
    assert tested
    assert tested.claims is not None
    assert tested.claims.person.login == "ann"
    assert {group.name for group in tested.claims.groups} == {"crew", "fleet", "loop"}
    assert not AuthProvider.objects.exists()
    assert not people.root.identities.model.objects.exists()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "does not know this name"),
        ({"serviceAccountPassword": "wrong"}, "service account"),
        ({"server": "127.0.0.1:1"}, "nothing listens"),
    ],
)
def test_a_failed_test_says_why(people: Any, slapd: Slapd, actor_of: Actors, changes: dict[str, Any], words: str):
    tested = services.provider_test("openldap", "ann", "wrong", actor=actor_of("root"), data=slapd.config(**changes))
    assert not tested
    assert words in tested.reason


@pytest.mark.servers
def test_a_directory_goes_on_only_with_a_password_that_works(people: Any, slapd: Slapd, actor_of: Actors):
    root = actor_of("root")
    services.provider_save("openldap", slapd.config(), actor=root)
    with pytest.raises(Conflict, match="does not know this name"):
        services.provider_enable("openldap", actor=root, login="ann", password="wrong")
    assert authenticate(None, username="ann", password=PASSWORD) is None
    assert services.provider_enable("openldap", actor=root, login="ann", password=PASSWORD).accepts_logins
    assert authenticate(None, username="ann", password=PASSWORD) is not None


@pytest.mark.servers
def test_a_provider_that_nobody_confirms_goes_off_again(people: Any, slapd: Slapd, actor_of: Actors):
    root = actor_of("root")
    services.provider_save("openldap", slapd.config(), actor=root)
    services.provider_enable("openldap", actor=root, login="ann", password=PASSWORD)
    AuthProvider.objects.update(trial_until=timezone.now() - timedelta(seconds=1))
    assert authenticate(None, username="ann", password=PASSWORD) is None
    with pytest.raises(Conflict, match="is off"):
        services.provider_confirm("openldap", actor=root)


@pytest.mark.servers
@pytest.mark.parametrize("how", ["log-in", "button"])
def test_a_log_in_or_an_administrator_confirms(people: Any, slapd: Slapd, actor_of: Actors, how: str):
    root = actor_of("root")
    services.provider_save("openldap", slapd.config(), actor=root)
    services.provider_enable("openldap", actor=root, login="ann", password=PASSWORD)
    if how == "log-in":
        assert authenticate(None, username="ben", password=PASSWORD) is not None
    else:
        services.provider_confirm("openldap", actor=root)
    assert AuthProvider.objects.get().trial_until is None
    moved = services.provider_save("openldap", slapd.config(connectionTimeout=2000), actor=root)
    assert moved.trial_until is not None


@pytest.mark.servers
@pytest.mark.parametrize(
    ("access", "allowed", "is_in"),
    [
        ("unrestricted", [], True),
        ("restricted", [], False),
        ("restricted", ["crew"], True),
        ("required", [], False),
        ("required", ["fleet"], True),
        ("required", ["ops"], False),
    ],
)
def test_site_access_keeps_unlisted_people_out(
    people: Any, slapd: Slapd, configure: Any, access: str, allowed: list[str], is_in: bool
):
    dns = {"crew": slapd.crew, "fleet": slapd.fleet, "ops": f"cn=ops,ou=groups,{slapd.config()['domain']}"}
    listed = [{"externalIdType": "openldap_group", "externalId": dns[name].upper()} for name in allowed]
    configure("openldap", slapd.config(accessMode=access, allowedIdentities=listed))
    if is_in:
        assert authenticate(None, username="ann", password=PASSWORD) is not None
        return
    with pytest.raises(Unauthorized, match="may log in here"):
        authenticate(None, username="ann", password=PASSWORD)
    assert authenticate(None, username="ann", password="wrong") is None


@pytest.mark.servers
def test_restricted_access_lets_members_of_environments_in(
    people: Any, slapd: Slapd, lab: Any, actor_of: Actors, configure: Any
):
    from apps.environments.services import members_set

    configure("openldap", slapd.config(accessMode="restricted"))
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    crew = {"externalId": slapd.crew, "externalIdType": "openldap_group", "role": "readonly"}
    members_set(lab, [owner, crew], actor=actor_of("alice"))
    assert authenticate(None, username="ann", password=PASSWORD) is not None
    members_set(lab, [owner], actor=actor_of("alice"))
    with pytest.raises(Unauthorized):
        authenticate(None, username="ann", password=PASSWORD)


def test_the_locked_out_switch_a_provider_off_at_the_machine(people: Any, configure: Any):
    configure("openldap", stored())
    output = StringIO()
    call_command("provider_disable", "--kind", "openldap", stdout=output)
    assert "OpenLDAP is off" in output.getvalue()
    assert not AuthProvider.objects.get().accepts_logins
    assert AuditEntry.all_objects.filter(event="provider.disable").exists()


def test_the_command_knows_only_real_kinds(db: None):
    with pytest.raises(CommandError):
        call_command("provider_disable", "--kind", "saml")


def test_without_the_library_the_reason_is_reported(people: Any, configure: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "apps.accounts.providers.ldap.lookup", None)
    monkeypatch.delattr(ldap_package, "lookup", raising=False)
    configure("openldap", stored())
    with pytest.raises(DirectoryDown, match=r"not installed here \(requirements-ldap.txt\)"):
        authenticate(None, username="ann", password=PASSWORD)


@pytest.mark.faces
def test_the_library_is_not_loaded_before_a_directory_is_on():
    code = (
        "import sys, django; django.setup()\n"
        "from django.contrib.auth import get_backends\n"
        "from django.urls import get_resolver\n"
        "get_backends(), get_resolver().url_patterns\n"
        "print([name for name in ('ldap', 'django_auth_ldap', 'social_core') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
