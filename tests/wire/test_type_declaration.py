"""A v1 type is one declaration: a class, once defined, has its schema, methods, actions and refusals for every role."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.http import QueryDict

from apps.api import resources
from apps.api.wire import resource as register
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Action, Data, Link, Resource, all_resources, find_resource
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY, TypeRoles
from apps.core.ids import wire_id
from tests.wire.api_client import ApiClient
from tests.wire.matrix import check_methods, check_schema


@dataclass(slots=True)
class Bell:
    """A row of the made-up type."""

    pk: int
    environment_id: int
    tone: str
    rung: int = 0
    display_state: str = "active"


def ring_bell(caller: ApiCaller, row: Bell, data: Data) -> Data:
    row.rung += data["times"]
    return {"type": "bell", "rung": row.rung}


def declare_bells() -> type[Resource]:
    """Define the made-up types: one with rows, and the input of its action."""

    class RingInputResource(EmbeddedResource):
        """How often to ring."""

        name = "ringInput"
        roles = OPERATOR_INPUT
        own_fields = parse_fields("times int c =1 1..12")

    class BellResource(Resource):
        """A bell of an environment."""

        name = "bell"
        sortable = False
        roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu", "delete": "d"})
        own_fields = parse_fields("""
            accountId reference[account] r  <environment_id
            tone      string             cu <tone * 1..8
            rung      int                r  <rung
            founder   string             r  ^
        """)
        custom_actions = {"ring": Action(ring_bell, input="ringInput")}
        links = {"account": Link("project", attribute="environment_id")}
        bells: ClassVar[dict[int, Bell]] = {}

        def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Bell]:
            return [each for each in self.bells.values() if each.environment_id in caller.environments()]

        def find(self, caller: ApiCaller, key: int | str | None) -> Bell | None:
            return next((each for each in self.list_rows(caller, QueryDict()) if each.pk == key), None)

        def create(self, caller: ApiCaller, data: Data) -> Bell:
            number = len(self.bells) + 1
            self.bells[number] = Bell(number, caller.require_environment().pk, data["tone"])
            return self.bells[number]

        def update(self, caller: ApiCaller, row: Bell, data: Data) -> None:
            row.tone = data.get("tone", row.tone)

        def act(self, caller: ApiCaller, row: Bell, action: str) -> None:
            self.bells.pop(row.pk)

    return BellResource


@pytest.fixture(autouse=True)
def register_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test declares."""
    for name in ("by_name", "by_lower_name", "by_declared_name"):
        monkeypatch.setattr(register._v1, name, dict(getattr(register._v1, name)))


@pytest.fixture
def bells() -> type[Resource]:
    return declare_bells()


def schemas_of(api: ApiClient) -> dict[str, Any]:
    return {each["id"]: each for each in api.get("schemas")["data"]}


@pytest.mark.usefixtures("bells")
@pytest.mark.parametrize(
    ("who", "collection", "item", "actions"),
    [
        ("alice", ["GET", "POST"], ["GET", "PUT", "DELETE"], {"ring"}),
        ("rex", ["GET", "POST"], ["GET", "PUT", "DELETE"], {"ring"}),
        ("rita", ["GET"], ["GET"], set()),
    ],
)
def test_its_schema_follows_from_the_role(
    api_of: Any, lab: Any, who: str, collection: list[str], item: list[str], actions: set[str]
):
    schema = schemas_of(api_of(who).inside(lab))["bell"]
    assert (schema["collectionMethods"], schema["resourceMethods"]) == (collection, item)
    assert set(schema["resourceActions"]) == actions
    assert schema["resourceFields"]["tone"]["create"] is ("POST" in collection)
    assert "founder" not in schema["resourceFields"]


@pytest.mark.usefixtures("bells")
def test_outside_any_environment_everybody_with_an_account_knows_it(api_of: Any):
    assert "founder" in schemas_of(api_of("root"))["bell"]["resourceFields"]
    assert schemas_of(api_of("mallory"))["bell"]["collectionMethods"] == ["GET"]
    assert "bell" not in schemas_of(ApiClient())
    assert ApiClient().get("bells").status == 401


@pytest.mark.usefixtures("bells")
def test_it_is_made_listed_found_changed_acted_on_and_deleted(api_of: Any, lab: Any):
    bob = api_of("bob").inside(lab)
    made = bob.post("bells", {"tone": "c"})
    assert (made.status, made["type"], made["accountId"]) == (201, "bell", wire_id("a", lab.pk))
    assert bob.get("BELLS").ids == [made["id"]]
    path = f"bells/{made['id']}"
    assert bob.get(path)["links"]["account"].endswith(f"{path}/account")
    assert bob.put(path, {"tone": "d"})["tone"] == "d"
    assert bob.post(f"{path}/?action=ring", {"times": 3})["rung"] == 3
    assert bob.delete(path).status == 200
    assert bob.get(path).status == 404


@pytest.mark.usefixtures("bells")
def test_what_it_does_not_take_is_refused_by_name(api_of: Any, lab: Any):
    bob, rita = api_of("bob").inside(lab), api_of("rita").inside(lab)
    refused = bob.post("bells", {"tone": "too long a tone"})
    assert (refused.status, refused["fieldName"], refused["code"]) == (422, "tone", "MaxLengthExceeded")
    path = f"bells/{bob.post('bells', {'tone': 'c'})['id']}"
    assert rita.post("bells", {"tone": "c"}).status == 405
    assert rita.post(f"{path}/?action=ring", {})["code"] == "InvalidAction"
    assert api_of("mallory").get(path).status == 404


@pytest.mark.parametrize("who", ["alice", "bob", "rex", "rita"])
def test_the_generated_matrix_covers_it(api_of: Any, lab: Any, bells: Any, who: str):
    each = find_resource("bells")
    assert each is not None
    assert each in all_resources()
    api_of("alice").inside(lab).post("bells", {"tone": "c"})
    role = {"alice": "owner", "bob": "member", "rex": "restricted", "rita": "readonly"}[who]
    caller, crud = api_of(who).inside(lab), each.roles.allowed_crud(role)
    check_schema(schemas_of(caller)["bell"], crud, each)
    check_methods(caller, each, crud, is_anonymous=False)


@pytest.mark.usefixtures("bells")
def test_types_stay_in_the_order_of_their_names(api: ApiClient):
    names = [each["id"] for each in api.get("schemas")["data"]]
    assert names == sorted(names)
    assert names.index("bell") < names.index("container")


@pytest.mark.usefixtures("bells")
def test_an_embedded_type_has_a_schema_and_nothing_else(api: ApiClient):
    assert api.get("schemas/ringInput")["collectionMethods"] == ["POST"]
    assert api.get("ringinputs").status == 405
    assert api.get("ringinputs/1ri1").status == 404
    assert api.post("ringinputs", {}).status == 405


@pytest.mark.parametrize("word", ["changesecretinput", "replaceroleinput", "secondfactorinput", "sessionconfirminput"])
def test_inputs_of_actions_are_neither_found_nor_made(api_of: Any, word: str):
    root = api_of("root")
    found = find_resource(word)
    assert found is not None
    assert root.get(f"{word}s/{wire_id(found.id_prefix, 1)}").status == 404
    body = {"replacement": "owner", "oldSecret": "a", "newSecret": "b", "code": "1", "password": "a"}
    assert root.post(f"{word}s", body).status == 405


def test_a_class_without_a_name_is_a_base_for_others():
    before = list(all_resources())

    class ReadOnlyResource(Resource):
        """A base."""

        roles = READ_ONLY

    assert list(all_resources()) == before

    class GongResource(ReadOnlyResource):
        """A type whose roles are its base's."""

        name = "gong"

    found = find_resource("gongs")
    assert isinstance(found, GongResource)
    assert found.roles is READ_ONLY


def test_a_type_without_roles_stops_the_start():
    with pytest.raises(TypeError, match="GongResource does not declare its roles"):
        type("GongResource", (Resource,), {"name": "gong"})


@pytest.mark.parametrize("name", ["host", "HOSTS", "serviceconsumemap"])
def test_a_name_that_is_taken_stops_the_start(name: str):
    with pytest.raises(TypeError, match="another type is already called"):
        type("TakenResource", (Resource,), {"name": name, "roles": READ_ONLY})


@pytest.mark.parametrize("roles", [{"user": "rx"}, {"environment": {"fly": "r"}}, {"environment": {"view": "x"}}])
def test_a_misspelt_method_or_permission_stops_the_start(roles: Any):
    with pytest.raises(ValueError, match="Unknown methods or permissions"):
        TypeRoles(**roles)


@pytest.fixture
def dropped_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that was added to the package of types."""
    (tmp_path / "gongs.py").write_text(
        "from apps.api.wire.resource import Resource\n"
        "from apps.api.wire.roles import READ_ONLY\n"
        "class GongResource(Resource):\n"
        "    name, roles = 'gong', READ_ONLY\n"
    )
    monkeypatch.setattr(resources, "__path__", [*resources.__path__, str(tmp_path)])
    yield "apps.api.resources.gongs"
    sys.modules.pop("apps.api.resources.gongs", None)


def test_a_module_in_the_folder_needs_no_entry_anywhere(dropped_in: str):
    resources.import_types()
    assert dropped_in in sys.modules
    assert find_resource("gong") is not None


def test_every_module_of_the_folder_is_imported():
    names = {f"{resources.__name__}.{each.name}" for each in pkgutil.iter_modules(resources.__path__)}
    assert names <= sys.modules.keys()
