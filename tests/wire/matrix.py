"""What the matrix of types, roles and methods checks for one type: its schema, and every method of its URLs."""

from __future__ import annotations

from typing import Any

from apps.core.ids import wire_id
from tests.wire.api_client import ApiClient, ApiResponse

KNOWN_ID = {"schema": "schema", "setting": "api.host"}


def check_schema(schema: dict[str, Any] | None, crud: str, each: Any) -> None:
    if schema is None:
        return
    item = {"r": "GET", "u": "PUT", "d": "DELETE"}
    assert set(schema["resourceMethods"]) == {item[letter] for letter in crud if letter in item}
    assert ("POST" in schema["collectionMethods"]) == ("c" in crud)
    assert ("GET" in schema["collectionMethods"]) == ("r" in crud and each.listable)


def check_methods(caller: ApiClient, each: Any, crud: str, *, is_anonymous: bool) -> None:
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
    return answer.status == 405 and answer["message"].startswith(f"{method} is not possible here")
