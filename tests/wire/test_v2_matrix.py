"""Every type, role and method of v2-beta, by the same table of roles as v1."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from apps.api.wire.dialect import V2_BETA
from apps.api.wire.resource import all_resources
from tests.wire.api_client import ApiClient
from tests.wire.contract import CONTRACT, DEVIATIONS
from tests.wire.matrix import check_methods, check_schema

TYPES = list(all_resources(V2_BETA))
ROLE_OF = {"alice": "owner", "bob": "member", "rex": "restricted", "rita": "readonly"}
OUTSIDE = {"mallory": "user", "root": "admin", "nobody": "nobody"}
WIRE_ROLE = {"nobody": "token"}
READ_ONLY = {"projectTemplate", "secret", "serviceLog", "volumeTemplate", "volume", "lbConfig", "portRule"}


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.name)
def test_the_roles_of_every_type_are_those_of_the_type_it_stands_for(each: Any):
    declared = each.stands_for or each.name
    wanted = CONTRACT.get(declared) or DEVIATIONS.get(declared)
    if wanted is None:
        assert declared in READ_ONLY or not each.listable
        return
    for role, word in wanted.items():
        crud = each.roles.allowed_crud(WIRE_ROLE.get(role, role))
        assert set(crud) == set(word.replace("-", "")), (each.name, role)


@pytest.mark.parametrize("name", [*ROLE_OF, *OUTSIDE])
def test_every_method_of_every_type_is_allowed_or_refused_by_role(
    name: str, api_of: Any, lab: Any, stack: Any, foreign_environment: Any
):
    role = ROLE_OF.get(name) or OUTSIDE[name]
    caller = api_of(name).speaking("v2-beta")
    caller = caller.inside(lab) if name in ROLE_OF else caller
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
    caller = api_of("mallory").speaking("v2-beta").inside(lab)
    for each in TYPES:
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert caller.call(method, each.plural_name.lower(), {}).status == 404, each.name


def test_rows_of_a_foreign_environment_do_not_exist(
    api_of: Any, key_of: Any, lab: Any, stack: Any, foreign_environment: Any
):
    mallory: ApiClient = key_of("mallory", foreign_environment).speaking("v2-beta")
    key = stack["stack"].replace("1e", "1st")
    for path in (f"stacks/{key}", f"services/{stack['front']}"):
        for method in ("GET", "PUT", "DELETE", "POST"):
            assert mallory.call(method, path, {"name": "mine"}).status == 404, path
        for action in ("upgrade", "exportconfig", "remove", "activate"):
            assert mallory.post(f"{path}/?action={action}", {}).status == 404
    assert mallory.get(f"services?stackId={key}").ids == []
    body = {"name": "web", "stackId": key, "launchConfig": {"imageUuid": "docker:sim/x:1"}}
    assert mallory.post("services", body)["fieldName"] == "stackId"


@pytest.mark.parametrize(("name", "allowed"), [("rita", {"logs"}), ("rex", None)])
def test_actions_that_a_role_lacks_are_absent_and_refused(api_of: Any, lab: Any, stack: Any, name: str, allowed: Any):
    caller = api_of(name).speaking("v2-beta").inside(lab)
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
