"""A thousand accounts and two hundred environments take as many queries as a handful; the numbers are committed.

Set `WRITE_BASELINE=1` to rewrite the file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.services import key_create
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.environments.selectors import environment_refs_of, subjects_of
from apps.environments.services import members_set
from tests.environments.bulk_accounts import create_members
from tests.wire.api_client import ApiClient

BASELINE = Path(__file__).with_name("scale_counts.json")
ACCOUNTS, ENVIRONMENTS, EACH = 1_000, 200, 50


def queries(act: Callable[[], Any]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        act()
    return len(caught)


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="apps.accounts.providers.LocalBackend")
    return client


def check_all(actor: Actor) -> int:
    """How many environments an actor may operate in, asked one by one."""
    everywhere = actor.environments("view")
    return sum(bool(can(actor, "operate", place)) for place in everywhere)


def explain_all(people: Any) -> None:
    environment_refs_of(subjects_of([people.bob]).values())


def acts(people: Any, lab: Environment, actor_of: Any) -> dict[str, Callable[[], Any]]:
    """What is counted, by name."""
    made = key_create(actor=actor_of("bob"), account=people.bob)
    ruler = key_create(actor=actor_of("root"), account=people.root)
    api, admin = (
        ApiClient(f"{made.key.public_value}:{made.secret}"),
        ApiClient(f"{ruler.key.public_value}:{ruler.secret}"),
    )
    bob, root = browser(people.bob), browser(people.root)
    pages = {
        "api projects of a member": lambda: api.get("projects?limit=1000"),
        "api projects of an administrator": lambda: admin.get("projects?limit=1000"),
        "api accounts of an administrator": lambda: admin.get("accounts?limit=1000"),
        "api members": lambda: api.get("projectmembers?limit=1000"),
        "console environments of a member": lambda: bob.get("/environments"),
        "console environments of an administrator": lambda: root.get("/environments"),
        "console accounts": lambda: root.get("/admin/accounts"),
        "console roles": lambda: root.get("/admin/roles"),
        "console members of one environment": lambda: root.get(f"/environments/{lab.pk}"),
        "console who may do what in one": lambda: root.get(f"/environments/{lab.pk}/access"),
        "console what one account may do": lambda: root.get(f"/admin/accounts/{people.bob.pk}/access"),
    }
    return {
        **pages,
        "permission in every environment": lambda: check_all(actor_of(people.bob)),
        "reasons in every environment": lambda: explain_all(people),
        "members written": lambda: members_set(lab, _same(people), actor=actor_of("alice")),
    }


def _same(people: Any) -> list[dict[str, str]]:
    roles = {"alice": "owner", "bob": "member", "rex": "restricted", "rita": "readonly"}
    return [
        {"externalId": f"1a{getattr(people, name).pk}", "externalIdType": "rancher_id", "role": role}
        for name, role in roles.items()
    ]


@pytest.fixture
def counted(people: Any, lab: Environment, actor_of: Any) -> Callable[[], dict[str, int]]:
    """Counts everything; first visits write down that they were there, so everything was visited once before."""
    each = acts(people, lab, actor_of)
    for act in each.values():
        act()
    return lambda: {name: queries(act) for name, act in each.items()}


@pytest.mark.servers
def test_lists_and_checks_take_the_same_queries_for_a_thousand_as_for_a_handful(
    counted: Callable[[], dict[str, int]], people: Any, lab: Environment, actor_of: Any
):
    few = counted()
    places = create_members(people.bob, ACCOUNTS, ENVIRONMENTS, EACH)
    assert check_all(actor_of(people.bob)) == ENVIRONMENTS + 1
    assert set(actor_of("bob").environments()) == {lab.pk, *places}
    many = counted()
    assert many == few
    if os.environ.get("WRITE_BASELINE"):
        BASELINE.write_text(json.dumps(many, indent=2, sort_keys=True) + "\n")
    assert many == json.loads(BASELINE.read_text())


def test_a_permission_everywhere_is_found_in_one_query_and_soon(people: Any, lab: Environment, actor_of: Any):
    create_members(people.bob, ACCOUNTS, ENVIRONMENTS, EACH)
    began = time.perf_counter()
    assert queries(lambda: check_all(actor_of(people.bob))) == 1
    assert time.perf_counter() - began < 0.5
    outsider = actor_of("mallory")
    assert queries(lambda: check_all(outsider)) == 1
    assert check_all(outsider) == 0
