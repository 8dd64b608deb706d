"""Every action of every type for every caller: in the schema, performed and refused as the contract says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from apps.api.wire.resource import all_resources
from tests.wire.api_client import ApiClient, ApiResponse
from tests.wire.contract import CONTRACT, DEVIATIONS, actions_of

TYPES = list(all_resources())
ACTING = [each for each in TYPES if each.actions]
OUTSIDE = {"mallory": "user", "root": "admin"}
INSIDE = {"alice": "owner", "bob": "member", "rex": "restricted", "rita": "readonly"}
KEYS = {
    "environment key of an owner": ("alice", "", "owner", True),
    "environment key of a member": ("bob", "", "member", True),
    "environment key of a restricted member": ("rex", "", "restricted", True),
    "environment key held to readonly": ("alice", "readonly", "readonly", True),
    "account key of a reader": ("rita", "", "readonly", False),
    "account key held to restricted": ("alice", "restricted", "restricted", False),
    "key of an administrator held to member": ("root", "member", "member", False),
}

pytestmark = pytest.mark.servers  # it takes a minute


def restricted_key(api_of: Any, lab: Any, who: str, role: str, *, inside: bool) -> ApiClient:
    """A key that somebody created, limited to `role` if given, for requests about the lab."""
    maker = api_of(who)
    if not role and not inside:
        return maker.inside(lab)
    made = (maker.inside(lab) if inside else maker).post("apikeys", {"role": role} if role else {})
    return ApiClient(f"{made['publicValue']}:{made['secretValue']}").inside(lab)


@pytest.fixture
def caller(api_of: Any, lab: Any) -> Callable[[str], tuple[ApiClient, str]]:
    """The caller of this name, and its column of the contract."""

    def make(name: str) -> tuple[ApiClient, str]:
        if name in KEYS:
            who, role, column, inside = KEYS[name]
            return restricted_key(api_of, lab, who, role, inside=inside), column
        if name in INSIDE:
            return api_of(name).inside(lab), INSIDE[name]
        if name == "root in the lab":
            return api_of("root").inside(lab), "owner"
        return api_of(name), OUTSIDE[name]

    return make


def try_action(caller: ApiClient, method: str, path: str) -> ApiResponse:
    """The response of a call, whose changes are rolled back."""
    with transaction.atomic():
        answer = caller.call(method, path, {})
        transaction.set_rollback(True)
    return answer


def error_code(answer: ApiResponse) -> str:
    return answer.body.get("code", "") if answer.status >= 400 else ""


def test_every_type_with_actions_is_in_the_contract():
    unknown = [each.name for each in ACTING if each.name not in CONTRACT and each.name not in DEVIATIONS]
    assert unknown == []


@pytest.mark.parametrize("name", [*INSIDE, "root in the lab", *OUTSIDE, *KEYS])
def test_actions_are_listed_and_performed_as_the_contract_says(name: str, caller: Any, stack: Any):
    api, role = caller(name)
    schemas = {each["id"]: set(each["resourceActions"]) for each in api.get("schemas")["data"]}
    for each in ACTING:
        wanted = actions_of(role, each.name, set(each.actions))
        assert schemas.get(each.name, set()) == wanted, each.name
        listed = api.get(each.plural_name.lower()) if each.listable else None
        if listed is None or listed.status != 200 or not listed["data"]:
            continue
        row = listed["data"][0]
        assert set(row["actions"]) <= wanted, each.name
        # What a role may do is done with that role above. A key has no other way through than its role's, so of what
        # it may do one action is enough; all that it may not do is tried.
        tried = [*sorted(wanted)[:1], *sorted({*each.actions} - wanted)] if name in KEYS else each.actions
        for action in tried:
            answer = try_action(api, "POST", f"{row['links']['self']}/?action={action}")
            assert (error_code(answer) == "InvalidAction") is (action not in wanted), (each.name, action, answer.body)
            if action not in row["actions"]:
                assert answer.status in {403, 409, 422}, (each.name, action, answer.status)


@pytest.mark.parametrize("name", ["mallory", "nobody"])
def test_a_non_member_does_nothing_to_what_is_in_the_lab(name: str, api_of: Any, lab: Any, stack: Any):
    alice = api_of("alice").inside(lab)
    rows = [(each, alice.get(each.plural_name.lower())) for each in ACTING if each.listable]
    outsider = api_of(name)
    for each, listed in rows:
        if listed.status != 200 or not listed["data"] or each.name in {"account", "loginSession"}:
            continue
        row = listed["data"][0]
        for action in each.actions:
            status = outsider.post(f"{row['links']['self']}/?action={action}", {}).status
            assert status == (401 if name == "nobody" else 404), (each.name, action)
