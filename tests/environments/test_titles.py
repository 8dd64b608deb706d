"""Member lists call people and groups by name, also those who were never here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import KnownIdentity
from apps.environments.models import Environment, Member
from apps.environments.selectors import display_names_of
from apps.environments.services import members_set

DN = "CN=Crew, OU=Groups, DC=x"


@pytest.fixture
def crew(people: Any, lab: Environment, actor_of: Callable[..., Any]) -> Member:
    """A group on the lab's list of which nobody was ever here."""
    alice = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    group = {"externalId": DN, "externalIdType": "openldap_group", "role": "member"}
    members_set(lab, [alice, group], actor=actor_of("alice"))
    return Member.objects.get(environment=lab, identity_type="openldap_group")


def known(**changes: str) -> None:
    row = {"kind": "openldap_group", "external_id": "g1", "dn": "cn=crew,ou=groups,dc=x", "name": "The Crew"}
    KnownIdentity.objects.create(**{**row, **changes})


def test_a_group_that_a_search_met_is_called_by_its_name(lab: Environment, crew: Member):
    known()
    assert sorted(display_names_of(lab.members.all()).values()) == ["Alice", "The Crew"]


def test_a_log_in_name_does_where_there_is_no_name(crew: Member):
    known(name="", login="crew")
    assert display_names_of([crew]) == {crew.pk: "crew"}


@pytest.mark.parametrize("changes", [{"kind": "ldap_group"}, {"dn": "cn=other,dc=x"}, {"name": ""}])
def test_a_group_that_nobody_knows_is_called_as_it_was_written(crew: Member, changes: dict[str, str]):
    known(**changes)
    assert display_names_of([crew]) == {crew.pk: DN}


def test_lists_of_accounts_cost_nothing_more(lab: Environment, people: Any):
    members = list(lab.members.select_related("account"))
    with CaptureQueriesContext(connection) as queries:
        assert set(display_names_of(members).values()) == {"Alice", "Bob", "Rex", "Rita"}
    assert len(queries) == 0


def test_the_page_shows_the_name_and_the_id_below_it(lab: Environment, crew: Member, people: Any):
    known()
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    page = client.get(f"/environments/{lab.pk}").content.decode()
    assert '<span class="name">The Crew</span>' in page
    assert f"<small>{DN}</small>" in page


def test_the_api_tells_the_name_beside_the_id(lab: Environment, crew: Member, people: Any):
    known()
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    rows = client.get(f"/v1/projects/1a{lab.pk}/projectmembers", headers={"Accept": "application/json"}).json()["data"]
    assert {(row["externalId"], row["name"]) for row in rows} >= {(DN, "The Crew")}
