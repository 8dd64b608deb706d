"""`identity`: the caller's own, those found by name, and one by its id."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.claims import IdentityClaim
from apps.accounts.models import AuthProvider, Identity
from apps.accounts.providers import search_pool
from apps.accounts.providers.ldap import provider as ldap_provider
from apps.core.errors import Problem
from tests.wire.api_client import ApiClient

CREW = IdentityClaim("openldap_group", "11111111-2222-3333-4444-555555555555", "crew", "Crew", "cn=crew,ou=groups,dc=x")


@pytest.fixture
def provider(people: Any) -> AuthProvider:
    return AuthProvider.objects.create(kind="openldap", enabled=True)


@pytest.fixture
def answers(provider: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the directory returns; an exception in it is raised."""
    results: list[Any] = []

    def reply(*_: Any, **__: Any) -> list[IdentityClaim]:
        for each in results:
            if isinstance(each, Exception):
                raise each
        return results

    class Reader:
        by_name = staticmethod(reply)

        @staticmethod
        def by_id(*_: Any) -> IdentityClaim | None:
            return next(iter(reply()), None)

    monkeypatch.setattr(ldap_provider, "load_reader", lambda: Reader)
    return results


def test_the_callers_identities_are_account_person_and_groups(api_of: Any, people: Any, provider: Any):
    for kind, number, dn in (("openldap_user", "u1", "uid=rita,dc=x"), ("openldap_group", "g1", "cn=crew,dc=x")):
        Identity.objects.create(user=people.rita, provider=provider, kind=kind, external_id=number, dn=dn, login="r")
    data = api_of("rita").get("identities")["data"]
    assert [(each["externalIdType"], each["externalId"], each["user"]) for each in data] == [
        ("rancher_id", f"1a{people.rita.pk}", True),
        ("openldap_user", "uid=rita,dc=x", True),
        ("openldap_group", "cn=crew,dc=x", False),
    ]
    assert data[2]["id"] == "1i!openldap_group:cn=crew,dc=x"
    assert api_of("rita").get(f"identities/{data[2]['id']}")["login"] == "r"


@pytest.mark.parametrize("query", ["name=crew", "all=re"])
def test_a_search_finds_groups_by_name(api_of: Any, answers: list[Any], query: str):
    answers.append(CREW)
    found = api_of("rita").get(f"identities?{query}")
    one = next(each for each in found["data"] if each["externalIdType"] == "openldap_group")
    assert (one["externalId"], one["name"], one["user"]) == (CREW.dn, "Crew", False)
    assert "messages" not in found.body
    assert api_of("rita").get(f"identities/{one['id']}")["externalId"] == CREW.dn


@pytest.mark.parametrize(
    ("error", "words"),
    [(Problem("It is down."), "OpenLDAP: It is down."), (ValueError("x"), "could not be understood")],
)
def test_an_unreachable_directory_is_reported_beside_the_accounts(
    api_of: Any, answers: list[Any], error: Exception, words: str
):
    answers.append(error)
    found = api_of("rita").get("identities?all=alic")
    assert [each["login"] for each in found["data"]] == ["alice"]
    assert words in found["messages"][0]
    lost = api_of("rita").get("identities/1i!openldap_group:cn=other")
    assert (lost.status, lost["code"]) == (502, "ProviderDown")


@pytest.mark.parametrize(
    "key", ["1i!openldap_group:cn=none", "1i!github_org:7", "1i!saml_user:x", "1i!rancher_id:1a999", "1i!x", "1i7", "x"]
)
def test_an_unknown_identity_is_not_found(api_of: Any, answers: list[Any], key: str):
    assert api_of("rita").get(f"identities/{key}").status == 404


def test_a_slow_directory_is_not_waited_for(api_of: Any, provider: Any, monkeypatch: pytest.MonkeyPatch):
    import threading

    over = threading.Event()
    monkeypatch.setattr(search_pool, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(ldap_provider, "load_reader", lambda: over.wait(5))
    try:
        found = api_of("rita").get("identities?all=alic")
    finally:
        over.set()
    assert [each["login"] for each in found["data"]] == ["alice"]
    assert found["messages"] == ["OpenLDAP: no answer within 0.05 s."]


@pytest.mark.parametrize("text", ["%00", "%20", "a" * 5000, "%ff"])
def test_a_malformed_search_finds_nobody(api_of: Any, answers: list[Any], text: str):
    assert api_of("rita").get(f"identities?all={text}")["data"] == []


def test_a_search_without_an_account_finds_nobody(api_of: Any):
    assert api_of("nobody").get("identities?all=a").status == 401


@pytest.mark.parametrize("who", ["rita", "rex", "bob"])
def test_who_chooses_no_members_finds_only_those_of_own_environments(api_of: Any, key_of: Any, people: Any, who: str):
    """Root and mallory are in no environment of theirs; the lab's people are."""
    for client in (api_of(who), *([] if who == "rita" else [key_of(who)])):
        for query in ("all=r", "all=a", "name=mallory", "name=root"):
            found = {each["login"] for each in client.get(f"identities?{query}")["data"]}
            assert not found & {"mallory", "root"}
        assert client.get(f"identities/1i!rancher_id:1a{people.mallory.pk}").status == 404
        assert client.get(f"identities/1i!rancher_id:1a{people.alice.pk}")["login"] == "alice"
        assert {each["login"] for each in client.get("identities?all=alic")["data"]} == {"alice"}


def test_a_key_held_to_a_role_without_members_finds_as_little(api_of: Any, people: Any):
    made = api_of("alice").post("apikeys", {"role": "readonly"})
    reader = ApiClient(f"{made['publicValue']}:{made['secretValue']}")
    assert reader.get("identities?name=mallory")["data"] == []
    assert reader.get(f"identities/1i!rancher_id:1a{people.mallory.pk}").status == 404


@pytest.mark.parametrize("who", ["alice", "root"])
def test_who_chooses_members_finds_anybody(api_of: Any, people: Any, who: str):
    assert api_of(who).get("identities?name=mallory")["data"][0]["login"] == "mallory"
    assert api_of(who).get(f"identities/1i!rancher_id:1a{people.mallory.pk}")["login"] == "mallory"
