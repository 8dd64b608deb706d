"""Every type, role and method: what the contract's table allows works, everything else is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from apps.api.wire.resource import all_resources
from apps.core.ids import wire_id
from tests.wire.api_client import ApiClient
from tests.wire.contract import CONTRACT, DEVIATIONS
from tests.wire.matrix import check_methods, check_schema

TYPES = list(all_resources())
ROLE_OF = {"alice": "owner", "bob": "member", "rex": "restricted", "rita": "readonly"}
WIRE_ROLE = {"nobody": "token"}
CALLERS = [
    *ROLE_OF,
    "key of alice",
    "key of bob",
    "mallory in the lab",
    "root in the lab",
    "mallory",
    "root",
    "nobody",
]


def _caller(name: str, api_of: Any, key_of: Any, lab: Any) -> tuple[ApiClient, str]:
    """The caller of this name, and the role expected of it."""
    if name.startswith("key of "):
        return key_of(name[7:]), ROLE_OF[name[7:]]
    if name in ROLE_OF:
        return api_of(name).inside(lab), ROLE_OF[name]
    if name == "root in the lab":
        return api_of("root").inside(lab), "owner"
    return api_of(name), {"mallory": "user", "root": "admin", "nobody": "nobody"}[name]


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.name)
def test_the_roles_of_every_type_match_the_contract(each: Any):
    wanted = CONTRACT.get(each.name) or DEVIATIONS.get(each.name)
    if wanted is None:
        assert not each.listable
        return
    for role, word in wanted.items():
        crud = each.roles.allowed_crud(WIRE_ROLE.get(role, role))
        assert set(crud) == set(word.replace("-", "")), (each.name, role)


@pytest.mark.parametrize("name", [name for name in CALLERS if name != "mallory in the lab"])
def test_every_method_of_every_type_is_allowed_or_refused_by_role(
    name: str, api_of: Any, key_of: Any, lab: Any, stack: Any, foreign_environment: Any
):
    caller, role = _caller(name, api_of, key_of, lab)
    schemas = {each["id"]: each for each in caller.get("schemas")["data"]} if role != "nobody" else {}
    for each in TYPES:
        crud = each.roles.allowed_crud(WIRE_ROLE.get(role, role))
        if each.name == "token":
            continue
        if role != "nobody":
            assert (each.name in schemas) == bool(crud), each.name
            check_schema(schemas.get(each.name), crud, each)
        cache.clear()  # so many requests of one address would be held back
        check_methods(caller, each, crud, is_anonymous=role == "nobody")


def test_a_non_member_in_somebodys_environment_finds_nothing(api_of: Any, lab: Any, foreign_environment: Any):
    caller = api_of("mallory").inside(lab)
    for each in TYPES:
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert caller.call(method, each.plural_name.lower(), {}).status == 404, each.name
    header = api_of("mallory").get("containers", **{"X-API-Project-Id": caller.project})
    assert header.status == 404


@pytest.mark.parametrize(("name", "allowed"), [("rita", {"logs"}), ("rex", None)])
def test_actions_that_a_role_lacks_are_absent_and_refused(api_of: Any, lab: Any, stack: Any, name: str, allowed: Any):
    caller = api_of(name).inside(lab)
    for each in TYPES:
        if not each.actions or not each.roles.allowed_crud(ROLE_OF[name]) or not each.listable:
            continue
        for row in caller.get(each.plural_name.lower())["data"][:1]:
            expected = {"logs"} if allowed and each.name == "container" else set()
            if allowed is not None or each.name == "host":
                assert set(row["actions"]) <= expected, row["actions"]
                for action in set(each.actions) - expected:
                    answer = caller.post(f"{row['links']['self']}/?action={action}", {})
                    assert (answer.status, answer["code"]) == (422, "InvalidAction"), (each.name, action)


def test_a_member_may_not_do_what_only_owners_may(api_of: Any, lab: Any):
    bob = api_of("bob")
    path = f"projects/{wire_id('a', lab.pk)}"
    assert bob.get(path)["actions"] == {}
    assert bob.put(path, {"name": "Mine"}).status == 403
    assert bob.delete(path).status == 403
    answer = bob.post(f"{path}/?action=setmembers", {"members": []})
    assert (answer.status, answer["code"]) == (422, "ActionNotAvailable")
    assert api_of("alice").put(path, {"name": "Ours"}).status == 200
