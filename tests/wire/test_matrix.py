"""Every type, role and method: what the contract's table gives a role is there, everything else is not."""

from __future__ import annotations

from typing import Any

import pytest

from apps.api.wire.resource import all_resources
from apps.core.ids import wire_id
from tests.wire.api_client import ApiClient, ApiResponse
from tests.wire.contract import CONTRACT, DEVIATIONS

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
KNOWN_ID = {"schema": "schema", "setting": "api.host"}


def _caller(name: str, api_of: Any, key_of: Any, lab: Any) -> tuple[ApiClient, str]:
    """The caller of this name, and the role it should have."""
    if name.startswith("key of "):
        return key_of(name[7:]), ROLE_OF[name[7:]]
    if name in ROLE_OF:
        return api_of(name).inside(lab), ROLE_OF[name]
    if name == "root in the lab":
        return api_of("root").inside(lab), "owner"
    return api_of(name), {"mallory": "user", "root": "admin", "nobody": "nobody"}[name]


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.name)
def test_the_roles_of_every_type_are_the_contracts(each: Any):
    wanted = CONTRACT.get(each.name) or DEVIATIONS.get(each.name)
    if wanted is None:
        assert not each.listable
        return
    for role, word in wanted.items():
        crud = each.roles.allowed_crud(WIRE_ROLE.get(role, role))
        assert set(crud) == set(word.replace("-", "")), (each.name, role)


@pytest.mark.parametrize("name", [name for name in CALLERS if name != "mallory in the lab"])
def test_every_method_of_every_type_is_there_or_not_as_the_role_says(
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
            _check_schema(schemas.get(each.name), crud, each)
        _check_methods(caller, each, crud, is_anonymous=role == "nobody")


def _check_schema(schema: dict[str, Any] | None, crud: str, each: Any) -> None:
    if schema is None:
        return
    item = {"r": "GET", "u": "PUT", "d": "DELETE"}
    assert set(schema["resourceMethods"]) == {item[letter] for letter in crud if letter in item}
    assert ("POST" in schema["collectionMethods"]) == ("c" in crud)
    assert ("GET" in schema["collectionMethods"]) == ("r" in crud and each.listable)


def _check_methods(caller: ApiClient, each: Any, crud: str, *, is_anonymous: bool) -> None:
    plural = each.plural_name.lower()
    unknown = 401 if is_anonymous else 404
    if not crud:
        for method in ("GET", "POST", "PUT", "DELETE"):
            for path in (plural, f"{plural}/{wire_id(each.id_prefix, 1)}"):
                assert caller.call(method, path, {}).status == unknown, (method, path)
        return
    listed = caller.get(plural)
    assert listed.status == (200 if "r" in crud and each.listable else 405), plural
    if each.listable:
        assert refused(caller.post(plural, {"name": "!"}), "POST") == ("c" not in crud), plural
    found = KNOWN_ID.get(each.name) or next(iter(listed.ids if listed.status == 200 else []), None)
    if found is None:
        return
    path = f"{plural}/{found}"
    assert caller.get(path).status == (200 if "r" in crud else 405), path
    assert refused(caller.put(path, {}), "PUT") == ("u" not in crud), path
    if "d" not in crud:
        assert refused(caller.delete(path), "DELETE"), path


def refused(answer: ApiResponse, method: str) -> bool:
    return answer.status == 405 and answer["message"] == f"{method} is not possible here."


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
