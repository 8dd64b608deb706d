"""Searches for people and groups in a real OpenLDAP, by names and by immutable ids."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.claims import Claims
from apps.accounts.models import KnownIdentity
from apps.accounts.providers.errors import DirectoryDown
from apps.accounts.providers.ldap.provider import OpenLdapProvider
from apps.accounts.providers.search import IdentitySearchResult, identities_search, identity_find
from tests.accounts.slapd import Slapd

lookup = pytest.importorskip("apps.accounts.providers.ldap.lookup", exc_type=ImportError)

pytestmark = pytest.mark.servers

KINDS = OpenLdapProvider.identity_kinds


@pytest.fixture(autouse=True)
def directory(people: Any, slapd: Slapd, configure: Callable[..., Any]) -> Any:
    return configure("openldap", slapd.config())


@pytest.fixture
def search(actor_of: Callable[..., Any]) -> Callable[..., IdentitySearchResult]:
    return lambda text, **how: identities_search(actor_of("rita"), text, **how)


def pairs(found: IdentitySearchResult) -> set[tuple[str, str]]:
    return {(claim.kind, claim.login) for claim in found.claims}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cre", {("openldap_group", "crew")}),
        ("CREW", {("openldap_group", "crew")}),
        ("ann", {("openldap_user", "ann")}),
        ("Dora", {("openldap_user", "dora")}),
        ("ali", {("openldap_user", "alice"), ("rancher_id", "alice")}),
        ("nobody at all", set()),
    ],
)
def test_a_part_of_a_name_finds_people_and_groups(search: Any, text: str, wanted: set[Any]):
    found = search(text)
    assert (pairs(found), found.errors) == (wanted, ())


@pytest.mark.parametrize(("text", "wanted"), [("an", set()), ("ann", {("openldap_user", "ann")}), ("fleet", None)])
def test_an_exact_search_takes_whole_names_only(search: Any, text: str, wanted: set[Any] | None):
    assert pairs(search(text, exact=True)) == (wanted if wanted is not None else {("openldap_group", "fleet")})


@pytest.mark.parametrize("text", ["*", "a*", "ann)(uid=*", "*)(|(uid=*", "(", ")", "\\", "%s", "ann\\2a", "&"])
@pytest.mark.parametrize("exact", [True, False])
def test_what_is_searched_for_is_never_a_filter(search: Any, text: str, exact: bool):
    found = search(text, exact=exact)
    names = {claim.login for claim in found.claims}
    assert found.errors == ()
    assert names <= {"o'neil (ops) *", "\\back,slash"}


def test_a_group_is_found_under_its_lasting_id_and_its_dn(search: Any, slapd: Slapd):
    crew = search("crew").claims[0]
    assert (crew.kind, crew.name, crew.dn) == ("openldap_group", "crew", slapd.crew)
    assert len(crew.external_id) == 36
    KnownIdentity.objects.all().delete()
    assert identity_find("openldap_group", crew.external_id) == crew
    KnownIdentity.objects.all().delete()
    assert identity_find("openldap_group", slapd.crew.upper()).external_id == crew.external_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("openldap_group", "cn=nobody,ou=groups,dc=example,dc=test"),
        ("openldap_group", "cn=crew"),
        ("openldap_group", "not a dn"),
        ("openldap_group", "00000000-0000-0000-0000-000000000000"),
        ("openldap_user", "cn=crew,ou=groups,dc=example,dc=test"),
        ("openldap_group", "uid=ann,ou=people,dc=example,dc=test"),
        ("ldap_group", "cn=crew,ou=groups,dc=example,dc=test"),
        ("github_org", "7"),
        ("nonsense", "7"),
        ("openldap_group", ""),
        ("openldap_group", "\0"),
    ],
)
def test_who_is_not_there_is_not_found(kind: str, name: str):
    assert identity_find(kind, name) is None


def test_the_most_that_is_wanted_is_all_that_is_read(slapd: Slapd, directory: Any):
    found = lookup.by_name(KINDS, directory.config, "a", 2, exact=False)
    assert len([each for each in found if each.kind == "openldap_user"]) == 2


def test_a_person_is_read_by_the_lasting_id_with_nested_groups(slapd: Slapd, directory: Any, search: Any):
    ann = next(claim for claim in search("ann").claims if claim.kind == "openldap_user")
    read = lookup.person(KINDS, directory.config, ann.external_id)
    assert isinstance(read, Claims)
    assert read.person == ann
    assert {group.name for group in read.groups} == {"crew", "fleet", "loop"}


def test_a_person_renamed_is_read_and_one_removed_is_said_to_be_gone(slapd: Slapd, directory: Any):
    dn = slapd.person("kim")
    kim = lookup.by_id(KINDS, directory.config, "openldap_user", dn)
    assert kim is not None
    moved = slapd.rename(dn, "uid=kimberley")
    read = lookup.person(KINDS, directory.config, kim.external_id)
    assert isinstance(read, Claims)
    assert read.person.login == "kimberley"
    slapd.remove(moved)
    assert "does not know this person" in str(lookup.person(KINDS, directory.config, kim.external_id))


def test_a_disabled_person_is_said_to_be_disabled(slapd: Slapd, configure: Any):
    config = configure("openldap", slapd.config(userEnabledAttribute="employeeNumber", userDisabledBitMask=2)).config
    dora = lookup.by_id(KINDS, config, "openldap_user", slapd.people["dora"])
    assert dora is not None
    assert "disabled" in str(lookup.person(KINDS, config, dora.external_id))


@pytest.mark.parametrize("how", ["tls", "startTls"])
def test_reading_is_encrypted_where_logging_in_is(slapd: Slapd, configure: Any, search: Any, how: str):
    port = slapd.tls_port if how == "tls" else slapd.port
    configure("openldap", slapd.config(**{how: True}, port=port, caCertificate=slapd.ca))
    assert pairs(search("crew")) == {("openldap_group", "crew")}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"serviceAccountPassword": "wrong"}, "service account"),
        ({"server": "127.0.0.1:1"}, "nothing listens there"),
        ({"domain": "dc=elsewhere,dc=test"}, "search base"),
    ],
)
def test_a_directory_that_cannot_be_read_is_reported_beside_what_was_found(
    slapd: Slapd, configure: Any, search: Any, changes: dict[str, Any], words: str
):
    config = configure("openldap", slapd.config(**changes)).config
    found = search("alice")
    assert pairs(found) == {("rancher_id", "alice")}
    assert found.errors[0].startswith("OpenLDAP: ")
    assert words in found.errors[0]
    with pytest.raises(DirectoryDown):
        lookup.person(KINDS, config, "00000000-0000-0000-0000-000000000000")


def test_a_silent_directory_holds_nobody_up_for_five_seconds(silent: int, slapd: Slapd, configure: Any, search: Any):
    configure("openldap", slapd.config(server="127.0.0.1", port=silent, connectionTimeout=60000))
    began = time.monotonic()
    found = search("alice")
    assert time.monotonic() - began < 5
    assert pairs(found) == {("rancher_id", "alice")}
    assert "no answer within" in found.errors[0]


def test_what_was_found_is_known_by_name_while_the_directory_is_down(slapd: Slapd, configure: Any, search: Any):
    search("crew")
    configure("openldap", slapd.config(server="127.0.0.1:1"))
    found = identity_find("openldap_group", f"CN=Crew, OU=Groups, {slapd.config()['domain']}")
    assert found is not None
    assert found.name == "crew"


def test_a_provider_that_is_off_is_not_searched(slapd: Slapd, configure: Any, search: Any):
    configure("openldap", slapd.config(), enabled=False)
    assert pairs(search("crew")) == set()
    assert identity_find("openldap_group", slapd.crew) is None
