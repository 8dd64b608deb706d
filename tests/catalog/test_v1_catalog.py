"""`/v1-catalog` as Rancher's clients read it, and stacks that they make of it over `/v1`."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client

from apps.catalog.library_row import library_ensure
from apps.catalog.models import Catalog
from apps.catalog.source import FolderSource
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.environments.services import environment_create, environment_key_create
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from tests.catalog.loop import AddCatalog, settle
from tests.catalog.repositories import ICON, Repository

pytestmark = pytest.mark.django_db


class Caller:
    """A client with a key of an environment."""

    def __init__(self, actor: Any, environment: Environment, role: str = "owner") -> None:
        made = environment_key_create(actor=actor, environment=environment, name="k", role=role)
        pair = base64.b64encode(f"{made.key.public_value}:{made.secret}".encode()).decode()
        self.headers = {"Authorization": f"Basic {pair}"}
        self.client = Client(headers=self.headers)

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.content[:500]
        return answer.json()

    def post(self, path: str, body: dict[str, Any], status: int) -> Any:
        answer = self.client.post(path, json.dumps(body), content_type="application/json")
        assert answer.status_code == status, answer.content[:800]
        return answer.json() if answer.content else None


@pytest.fixture
def caller(actor_of: Any, lab: Environment, host: Host, add_catalog: AddCatalog) -> Caller:
    add_catalog()
    return Caller(actor_of("alice"), lab)


def test_templates_are_listed_with_their_versions(caller: Caller):
    found = caller.get("/v1-catalog/templates")
    assert (found["type"], found["resourceType"]) == ("collection", "template")
    greeter = next(each for each in found["data"] if each["id"] == "ours:greeter")
    assert (greeter["name"], greeter["catalogId"], greeter["category"]) == ("Greeter", "ours", "Web")
    assert (greeter["defaultVersion"], greeter["defaultTemplateVersionId"]) == ("2.0", "ours:greeter:2")
    base = "http://testserver/v1-catalog/templates/ours:greeter"
    assert greeter["versionLinks"] == {"1.0": f"{base}:0", "1.1": f"{base}:1", "2.0": f"{base}:2"}
    assert greeter["links"]["self"] == base


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("catalogId=ours", ["Counter", "Greeter"]),
        ("catalogId=theirs", []),
        ("category=Tools", ["Counter"]),
        ("category_ne=Tools", ["Greeter"]),
        ("category_ne=system", ["Counter", "Greeter"]),
        ("templateBase_eq=infra", []),
        ("templateBase_eq=", ["Counter", "Greeter"]),
    ],
)
def test_templates_are_filtered(caller: Caller, query: str, names: list[str]):
    assert [each["name"] for each in caller.get(f"/v1-catalog/templates?{query}")["data"]] == names


def test_versions_for_a_later_rancher_are_left_out(caller: Caller):
    found = caller.get("/v1-catalog/templates?minimumRancherVersion_lte=v0.50.0")
    assert [each["versionLinks"] for each in found["data"]] == [{}, {}]
    assert caller.get("/v1-catalog/templates?minimumRancherVersion_lte=v1.6.0")["data"][0]["versionLinks"]


@pytest.mark.parametrize("collection", ["templates", "templateversions"])
def test_a_version_has_files_questions_and_upgrades(caller: Caller, collection: str):
    found = caller.get(f"/v1-catalog/{collection}/ours:greeter:1")
    assert (found["id"], found["version"], found["templateId"]) == ("ours:greeter:1", "1.1", "ours:greeter")
    assert sorted(found["files"]) == ["docker-compose.yml", "rancher-compose.yml"]
    (question,) = found["questions"]
    assert (question["variable"], question["type"], question["required"]) == ("GREETING", "string", True)
    assert question["default"] == "hello"
    assert found["upgradeVersionLinks"] == {"2.0": "http://testserver/v1-catalog/templates/ours:greeter:2"}
    assert found["minimumRancherVersion"] == "v0.59.0"
    assert found["readme"].startswith("# Greeter")


def test_icons_and_readmes_are_served(caller: Caller):
    template = caller.get("/v1-catalog/templates/ours:greeter")
    icon = caller.client.get(template["iconLink"].removeprefix("http://testserver"))
    assert (icon.status_code, icon["Content-Type"], icon.content.decode()) == (200, "image/svg+xml", ICON)
    assert "sandbox" in icon["Content-Security-Policy"]
    readme = caller.client.get(template["links"]["readme"].removeprefix("http://testserver"))
    assert readme["Content-Type"] == "text/plain; charset=utf-8"
    assert caller.client.get("/v1-catalog/templates/ours:greeter:1?image").content.decode() == ICON


def test_catalogs_are_listed(caller: Caller, repository: Repository):
    (found,) = caller.get("/v1-catalog/catalogs")["data"]
    assert (found["id"], found["url"], found["state"]) == ("ours", repository.url, "active")
    assert caller.get("/v1-catalog/catalogs/ours") == found
    caller.get("/v1-catalog/catalogs/theirs", status=404)


@pytest.mark.parametrize(
    "path",
    ["ours:nothing", "ours:greeter:9", "theirs:greeter", "nonsense", ":", "ours:", "a:b:c:d", "ours:greeter:1/x"],
)
def test_what_is_not_there_is_not_found_in_words(caller: Caller, path: str):
    assert caller.get(f"/v1-catalog/templates/{path}", status=404)["message"]


def test_another_environment_sees_its_own(caller: Caller, actor_of: Any, add_catalog: AddCatalog):
    mallory = actor_of("mallory")
    den = environment_create(actor=mallory, name="Den")
    other = Caller(mallory, den)
    assert other.get("/v1-catalog/templates")["data"] == []
    other.get("/v1-catalog/templates/ours:greeter:1", status=404)
    lab = Catalog.all_objects.get(name="ours").environment_id
    other.get(f"/v1-catalog/templates?projectId=1a{lab}", status=404)
    add_catalog(actor=actor_of("root"), environment=None, name="site")
    (found,) = other.get("/v1-catalog/catalogs")["data"]
    assert (found["id"], found["url"]) == ("site", None)


def test_without_credentials_there_is_the_library_alone(
    library: FolderSource, caller: Caller, client: Client, actor_of: Any, add_catalog: AddCatalog
):
    add_catalog(actor=actor_of("root"), environment=None, name="site")
    library_ensure()
    reconcile_until_idle()
    for headers in ({}, {"Authorization": "Basic d3Jvbmc6a2V5"}):
        found = client.get("/v1-catalog/templates", headers=headers).json()["data"]
        assert {each["catalogId"] for each in found} == {"library"}
        assert {each["id"] for each in found} == {"library:wordpress"}
    assert client.get("/v1-catalog/templates/ours:greeter").status_code == 404


def test_a_refresh_is_for_those_who_may(caller: Caller, actor_of: Any, lab: Environment):
    caller.post("/v1-catalog/templates?action=refresh", {}, status=204)
    assert Catalog.all_objects.get(name="ours").display_state == "refreshing"
    reader = Caller(actor_of("alice"), lab, role="readonly")
    reader.post("/v1-catalog/templates?action=refresh", {}, status=403)
    reader.post("/v1-catalog/templates?action=nonsense", {}, status=405)
    assert Client().post("/v1-catalog/templates?action=refresh").status_code == 403


def launch(caller: Caller, status: int = 201, **more: Any) -> Any:
    body = {"name": "hi", "startOnCreate": True, "externalId": "catalog://ours:greeter:0", **more}
    return caller.post("/v1/environments", body, status)


def test_a_client_launches_by_external_id_and_answers(caller: Caller):
    made = launch(caller, environment={"GREETING": "hey"})
    settle()
    row = Stack.all_objects.get(name="hi")
    assert (made["externalId"], row.state) == ("catalog://ours:greeter:0", "active")
    assert Service.all_objects.get(stack=row).config.environment["GREETING"] == "hey"


def test_a_client_may_send_the_files_that_it_read(caller: Caller):
    files = caller.get("/v1-catalog/templates/ours:greeter:0")["files"]
    texts = {"dockerCompose": files["docker-compose.yml"], "rancherCompose": files["rancher-compose.yml"]}
    launch(caller, environment={"GREETING": "hey"}, **texts)
    settle()
    service = Service.all_objects.get(stack__name="hi")
    assert (service.image, service.config.environment["GREETING"]) == ("sim/web:1.0", "hey")


def test_files_of_its_own_come_first(caller: Caller):
    launch(caller, dockerCompose="own:\n  image: sim/own:1\n")
    settle()
    assert Service.all_objects.get(stack__name="hi").name == "own"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"environment": {"GREETING": ""}}, "environment.GREETING"),
        ({"externalId": "catalog://ours:greeter:9"}, "externalId"),
        ({"externalId": "catalog://theirs:greeter:0"}, "externalId"),
        ({"environment": {"GREETING": "a\nb"}}, "environment.GREETING"),
    ],
)
def test_what_cannot_be_launched_is_refused_at_its_field(caller: Caller, more: dict[str, Any], field: str):
    refused = launch(caller, status=422, **more)
    assert refused["fieldName"] == field
    assert not Stack.all_objects.exists()


def test_an_upgrade_and_its_rollback_follow_the_external_id(caller: Caller):
    made = launch(caller, environment={"GREETING": "hey"})
    settle()
    path = f"/v1/environments/{made['id']}"
    seen = caller.post(f"{path}?action=previewupgrade", {"externalId": "catalog://ours:greeter:2"}, 200)
    assert [(each["name"], each["change"]) for each in seen["services"]] == [("web", "upgrade")]
    caller.post(f"{path}?action=upgrade", {"externalId": "catalog://ours:greeter:2"}, 202)
    settle()
    row = caller.get(path)
    assert (row["state"], row["externalId"]) == ("upgraded", "catalog://ours:greeter:2")
    assert row["previousExternalId"] == "catalog://ours:greeter:0"
    assert row["environment"] == {"GREETING": "hey"}
    caller.post(f"{path}?action=rollback", {}, 202)
    settle()
    assert caller.get(path)["externalId"] == "catalog://ours:greeter:0"


@pytest.mark.parametrize("external_id", ["catalog://ours:counter:0", "catalog://ours:greeter:9"])
def test_a_stack_is_not_upgraded_to_something_else(caller: Caller, external_id: str):
    made = launch(caller)
    settle()
    refused = caller.post(f"/v1/environments/{made['id']}?action=upgrade", {"externalId": external_id}, 422)
    assert refused["message"]
    assert Stack.all_objects.get(name="hi").external_id == "catalog://ours:greeter:0"
