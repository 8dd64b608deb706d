"""The types of v2-beta: their names, ids, links and schemas, and that v1 is what it was."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.api.socket_render import render
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.resource import all_resources, find_resource
from apps.environments.actor import actor_of_user
from tests.wire.api_client import ApiClient, run_until_idle

_TEXTS, _IDS = "map of texts", "list of texts"
GO_FIELDS = {
    "stack": {"environment": _TEXTS, "outputs": _TEXTS, "serviceIds": _IDS, "startOnCreate": "bool", "system": "bool"},
    "service": {
        "assignServiceIpAddress": "bool",
        "currentScale": "int",
        "instanceIds": _IDS,
        "launchConfig": "object",
        "linkedServices": "object",
        "metadata": "object",
        "publicEndpoints": "list",
        "retainIp": "bool",
        "scale": "int",
        "scalePolicy": "object",
        "secondaryLaunchConfigs": "list",
        "stackId": "text",
        "startOnCreate": "bool",
        "upgrade": "object",
    },
    "host": {
        "computeTotal": "int",
        "instanceIds": _IDS,
        "labels": "object",
        "memory": "int",
        "publicEndpoints": "list",
    },
    "container": {
        "capAdd": _IDS,
        "command": _IDS,
        "cpuShares": "int",
        "dataVolumes": _IDS,
        "environment": "object",
        "labels": "object",
        "memory": "int",
        "ports": _IDS,
        "privileged": "bool",
        "serviceIds": _IDS,
        "startCount": "int",
        "tty": "bool",
    },
    "project": {"members": "list", "orchestration": "text", "virtualMachine": "bool"},
}
"""What the Go client decodes into, which fails at any other kind of value."""
_CHECKS: dict[str, Any] = {
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    _IDS: lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    _TEXTS: lambda value: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
}


@pytest.fixture
def later(api: ApiClient, lab: Any) -> ApiClient:
    return api.inside(lab).speaking("v2-beta")


def test_a_stack_is_an_environment_under_another_name_and_id(api: ApiClient, later: ApiClient, stack: Any):
    number = stack["stack"].removeprefix("1e")
    found = later.get(f"stacks/1st{number}")
    assert (found["id"], found["type"], found["baseType"], found["kind"]) == (f"1st{number}", "stack", "stack", "stack")
    assert found["links"]["self"] == f"http://testserver/v2-beta/projects/{later.project}/stacks/1st{number}"
    assert found["links"]["services"] == f"{found['links']['self']}/services"
    assert later.get("environments").status == later.get(f"environments/{stack['stack']}").status == 404
    assert api.get("stacks").status == api.get(f"environments/1st{number}").status == 404
    assert later.get(f"stacks/1e{number}")["id"] == found["id"]
    assert later.get(f"stacks/1s{number}").status == 404


def test_collections_filter_sort_and_page_by_later_names(later: ApiClient, stack: Any):
    key = stack["stack"].replace("1e", "1st")
    assert later.get(f"services?stackId={key}").ids == [stack["front"], stack["back"]]
    assert later.get("services?stackId=1st999").ids == []
    assert later.get(f"services?environmentId={key}&stackId_ne={key}").ids == []
    first = later.get("services?limit=1&sort=stackId&order=desc")
    assert (first["sort"]["name"], first["pagination"]["partial"]) == ("stackId", True)
    second = later.get(first["pagination"]["next"])
    assert {*first.ids, *second.ids} == {stack["front"], stack["back"]}
    included = later.get("services?include=stack&include=instances")["data"]
    assert {each["stack"]["id"] for each in included} == {key}
    assert "stackId" in first["sortLinks"]
    assert "environmentId" not in first["sortLinks"]


def test_an_error_names_the_field_as_it_was_sent(later: ApiClient, host: Any):
    body = {"name": "web", "stackId": "1st999", "launchConfig": {"imageUuid": "docker:sim/x:1"}}
    refused = later.post("services", body)
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, "InvalidReference", "stackId")
    missing = later.post("services", {**body, "stackId": None, "environmentId": "1st1"})
    assert (missing.status, missing["code"], missing["fieldName"]) == (422, "MissingRequired", "stackId")
    outside = ApiClient(later.key, dialect="v2-beta")
    assert outside.post("stacks", {"name": "!"})["fieldName"] == "name"


@pytest.mark.parametrize("name", sorted(GO_FIELDS))
def test_values_are_of_the_kind_that_the_go_client_decodes(later: ApiClient, stack: Any, name: str):
    path = "/v2-beta/projects" if name == "project" else f"{name}s"
    rows = later.get(path)["data"]
    assert rows
    for row in rows:
        for field, kind in GO_FIELDS[name].items():
            assert row[field] is None or _CHECKS[kind](row[field]), (field, row[field])


def test_every_schema_names_types_and_links_that_there_are(later: ApiClient, api_of: Any, lab: Any, stack: Any):
    known = {each.name for each in all_resources(V2_BETA)}
    schemas = later.get("schemas")["data"]
    for schema in schemas:
        for action in schema["resourceActions"].values():
            assert set(action.values()) <= known, (schema["id"], action)
        for name, field in schema["resourceFields"].items():
            assert "environment]" not in field["type"], (schema["id"], name)
        for link in schema["includeableLinks"]:
            assert link != "environment", schema["id"]
        assert later.get(schema["links"]["self"])["id"] == schema["id"]
        if "GET" in schema["collectionMethods"]:
            assert later.get(schema["links"]["collection"]).status == 200, schema["id"]
    assert {"stack", "projectTemplate", "machine", "subscribe", "secret", "volume"} <= {each["id"] for each in schemas}


def test_no_answer_leads_back_to_v1_or_to_a_404(later: ApiClient, stack: Any):
    for each in all_resources(V2_BETA):
        if not each.listable or each.name in {"token", "subscribe"}:
            continue
        for row in later.get(each.plural_name.lower())["data"][:2]:
            for name, url in row["links"].items():
                if each.name == "registrationToken" or name in {"stats", "hostStats", "containerStats"}:
                    continue
                assert "/v2-beta/" in url, (each.name, name, url)
                assert later.get(url).status in {200, 422}, (each.name, name)  # some links need a query
            assert all("/v2-beta/" in url for url in row["actions"].values()), each.name
            assert "1e" not in [str(value)[:2] for key, value in row.items() if key.endswith("Id")], each.name


def test_the_root_and_the_version_name_both(later: ApiClient):
    root = ApiClient(later.key).get("/")
    assert [each["id"] for each in root["data"]] == ["v1", "v2-beta"]
    assert root.headers["X-API-Schemas"] == "http://testserver/v1/schemas"
    version = ApiClient(later.key).get("/v2-beta")
    assert (version["id"], version["links"]["self"]) == ("v2-beta", "http://testserver/v2-beta")
    assert version["links"]["stacks"] == "http://testserver/v2-beta/stacks"
    assert version.headers["X-API-Schemas"] == "http://testserver/v2-beta/schemas"
    inside = ApiClient(later.key).get(f"/v2-beta/projects/{later.project}")
    assert inside.headers["X-API-Schemas"] == f"http://testserver/v2-beta/projects/{later.project}/schemas"
    assert inside["links"]["stacks"] == f"http://testserver/v2-beta/projects/{later.project}/stacks"
    anonymous = ApiClient(dialect="v2-beta").get("stacks")
    assert (anonymous.status, anonymous.headers["X-API-Schemas"]) == (401, "http://testserver/v2-beta/schemas")


def test_v1_has_no_type_of_the_other_dialect():
    for name in ("stack", "stackUpgrade", "projectTemplate", "secret", "volumeTemplate", "serviceLog"):
        assert find_resource(name) is None
        assert find_resource(name, V2_BETA) is not None
    assert find_resource("environment") is not None
    assert find_resource("environment", V2_BETA) is None
    assert {each.dialect.name for each in all_resources()} == {"v1"}


def test_a_change_is_audited_once_in_the_same_words(api: ApiClient, later: ApiClient, host: Any):
    later.post("stacks", {"name": "later"})
    run_until_idle()
    rows = api.get("auditlogs?sort=id&order=desc&limit=1")["data"]
    assert [(each["eventType"], each["resourceType"]) for each in rows] == [("api.environment.create", "environment")]


def test_events_show_rows_as_the_dialect_of_their_subscriber_does(people: Any, api: ApiClient, stack: Any):
    number = int(stack["stack"][2:])
    actor = actor_of_user(people.alice, "api")
    shown = render("stack", number, actor, "https://portal.example", "v2-beta")
    assert shown is not None
    assert (shown["id"], shown["type"]) == (f"1st{number}", "stack")
    assert shown["links"]["self"] == f"https://portal.example/v2-beta/stacks/1st{number}"
    first = render("stack", number, actor, "https://portal.example", "v1")
    assert first is not None
    assert (first["id"], first["type"]) == (f"1e{number}", "environment")
    mallory = actor_of_user(people.mallory, "api")
    assert render("stack", number, mallory, "https://portal.example", "v2-beta") is None


def test_lists_take_as_many_queries_for_many_rows_as_for_few(later: ApiClient, stack: Any):
    def counts() -> dict[str, int]:
        found = {}
        for plural in ("stacks", "services", "containers", "hosts", "projects"):
            with CaptureQueriesContext(connection) as queries:
                assert later.get(plural).status == 200
            found[plural] = len(queries)
        return found

    later.get("stacks")  # the first use of a key writes to it
    few = counts()
    for number in range(3):
        made = later.post("stacks", {"name": f"more{number}"})["id"]
        config = {"imageUuid": "docker:sim/x:1"}
        later.post("services", {"name": "web", "stackId": made, "launchConfig": config, "startOnCreate": True})
    run_until_idle()
    assert counts() == few


def test_entries_of_the_audit_log_speak_of_stacks(later: ApiClient, api_of: Any, lab: Any, stack: Any):
    number = stack["stack"].removeprefix("1e")
    [entry] = later.get("auditlogs?eventType=api.stack.create")["data"]
    assert (entry["resourceType"], entry["resourceId"]) == ("stack", f"1st{number}")
    assert later.get("auditlogs?resourceType=environment")["data"] == []
    assert {each["resourceType"] for each in later.get("auditlogs?resourceType=stack")["data"]} == {"stack"}
    assert later.get(f"auditlogs/{entry['id']}")["description"] == entry["description"]
    v1 = later.speaking("v1").get(f"auditlogs/{entry['id']}")
    assert (v1["resourceType"], v1["eventType"], v1["resourceId"]) == (
        "environment",
        "api.environment.create",
        stack["stack"],
    )
    exported = api_of("alice").inside(lab).speaking("v2-beta").get("auditlogs?export=jsonl")
    assert exported.status == 200


def test_an_audit_log_is_not_seen_from_outside_the_environment(api_of: Any, lab: Any, stack: Any):
    assert api_of("mallory").speaking("v2-beta").get("auditlogs")["data"] == []
