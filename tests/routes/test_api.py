"""Every registered type of the API declares its roles, and shows nobody foreign rows."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client

from apps.accounts.services import key_create
from apps.api.wire.resource import all_resources
from apps.api.wire.roles import SITE_ROLES
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.environments.roles import PERMISSIONS

LISTED = [each for each in all_resources() if each.listable]
PUBLIC_TYPES = {
    "identity": "accounts see each other: anybody can be made a member",
    "schema": "the schemas differ by role and contain no rows",
    "setting": "public settings are for everybody; of others only the requested name is returned",
    "token": "how to log in",
    "role": "role names appear in member lists",
    "permission": "the permissions of roles are public",
}


class KeyClient:
    """An API client with an account's key, outside any environment or inside one."""

    def __init__(self, user: Any, actor: Any, environment: Environment | None = None) -> None:
        made = key_create(actor=actor, account=user, name="test")
        self.key = base64.b64encode(f"{made.key.public_value}:{made.secret}".encode()).decode()
        self.base = f"/v1/projects/{wire_id('a', environment.pk)}" if environment else "/v1"

    def call(self, method: str, path: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Basic {self.key}", "Accept": "application/json"}
        answer = Client().generic(
            method, f"{self.base}/{path}", b"{}", content_type="application/json", headers=headers
        )
        return answer.status_code, json.loads(answer.content) if answer.content else None

    def ids(self, each: Any) -> set[str]:
        code, body = self.call("GET", f"{each.plural_name.lower()}?limit=-1")
        return {row["id"] for row in body["data"]} if code == 200 else set()


@pytest.mark.parametrize("each", list(all_resources()), ids=lambda each: each.name)
def test_every_type_says_who_may_do_what(each: Any):
    """A type that gives no role any method does not exist for anybody, which is always a mistake."""
    callers = (*SITE_ROLES, frozenset(PERMISSIONS))
    assert any(each.roles.allowed_crud(who) for who in callers), f"{each.name} gives no role any method"


@pytest.mark.parametrize("each", [each for each in all_resources() if each.actions], ids=lambda each: each.name)
def test_every_action_says_which_permission_it_takes(each: Any):
    assert set(each.action_permissions) == set(each.actions)
    assert set(each.action_permissions.values()) <= {*PERMISSIONS, "admin"}, each.action_permissions


@pytest.mark.parametrize("each", list(all_resources()), ids=lambda each: each.name)
def test_every_computed_link_says_which_permission_it_takes(each: Any):
    for name, link in each.links.items():
        assert link.call is None or link.permission in {*PERMISSIONS, ""}, name  # empty: everybody who sees the row


def requests_for(each: Any, path: str) -> list[tuple[str, str]]:
    found = [(method, path) for method in ("GET", "PUT", "DELETE", "POST")]
    found += [("POST", f"{path}/?action={action}") for action in each.actions]
    return found + [("GET", f"{path}/{link.lower()}") for link in each.links]


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_foreign_resources_are_not_found_by_any_request(
    people: Any, own_environment: Environment, foreign: Any, actor_of: Any, run_loop: Any, where: str
):
    """Whatever an administrator or the lab's owner finds and mallory does not is a 404 for mallory."""
    mallory = KeyClient(people.mallory, actor_of("mallory"), own_environment if where == "inside" else None)
    finders = [
        KeyClient(people.root, actor_of("root")),
        KeyClient(people.alice, actor_of("alice")),
        KeyClient(people.alice, actor_of("alice"), foreign.lab),
    ]
    run_loop()
    tried, wrong = 0, []
    for each in LISTED:
        if each.name in PUBLIC_TYPES:
            continue
        foreign_ids = set().union(*(finder.ids(each) for finder in finders)) - mallory.ids(each)
        for found in sorted(foreign_ids)[:1]:
            for method, path in requests_for(each, f"{each.plural_name.lower()}/{found}"):
                code, _body = mallory.call(method, path)
                tried += 1
                if code != 404:
                    wrong.append((method, path, code))
    assert wrong == []
    assert tried > 100
