"""The OpenAPI document is valid, says no more than the caller may do, and the API answers as it says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from apps.api.openapi.document import build_document
from apps.api.wire.context import caller_with_role
from apps.api.wire.resource import all_resources
from apps.api.wire.schema import allowed_methods
from apps.environments.roles import ROLES
from apps.stacks.webhooks.signature import sign
from tests.wire.api_client import ApiClient, ApiResponse, run_until_idle

WHO: dict[str, Any] = {"token": "token", "user": "user", "admin": "admin", **ROLES}
Document = dict[str, Any]


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of everything that the document offers."""
    for path, found in document["paths"].items():
        for method, operation in found.items():
            if method not in {"parameters", "servers"}:
                yield path, method, operation


def complaints(document: Document, path: str, method: str, answer: ApiResponse) -> list[str]:
    """What is wrong with an answer to this request, by the document."""
    declared = document["paths"][path][method]["responses"].get(str(answer.status))
    if declared is None:
        return [f"{method} {path}: {answer.status} is not declared"]
    if "$ref" in declared:
        declared = document["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    if "application/octet-stream" in declared["content"]:
        return [] if "Content-Disposition" in answer.headers else [f"{method} {path}: no file"]
    schema = {**declared["content"]["application/json"]["schema"], "components": document["components"]}
    wrong = list(Draft202012Validator(schema).iter_errors(answer.body))
    return [f"{method} {path}: {'/'.join(map(str, each.absolute_path))}: {each.message[:200]}" for each in wrong]


# The validator takes seconds for each: the one that has the most, and the one that has the least.
@pytest.mark.faces
@pytest.mark.parametrize("who", ["token", "owner"])
def test_the_document_is_valid(who: str):
    OpenAPIV31SpecValidator({"servers": [{"url": "/v1"}], **build_document(WHO[who])}).validate()


@pytest.mark.parametrize("who", WHO)
def test_every_reference_leads_somewhere_and_no_operation_has_two_names(who: str):
    document = build_document(WHO[who])
    for part in json.dumps(document).split('"$ref": "')[1:]:
        _hash, _components, group, name = part.partition('"')[0].split("/")
        assert name in document["components"][group], name
    names = [operation["operationId"] for _path, _method, operation in operations(document)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("who", WHO)
def test_a_role_is_offered_the_methods_of_its_schemas_and_no_others(who: str):
    document, caller = build_document(WHO[who]), caller_with_role(WHO[who])
    for each in all_resources():
        collection, item = allowed_methods(each, caller)
        base = f"/{each.plural_name.lower()}"
        offered = {method.upper() for method in document["paths"].get(base, {})}
        assert offered <= set(collection), each.name
        on_row = {method.upper() for method in document["paths"].get(f"{base}/{{id}}", {})} - {"PARAMETERS"}
        assert on_row <= {*item, "POST"}, each.name
        assert ("POST" in on_row) <= bool(each.actions_for(caller)), each.name
        if not each.roles.allowed_crud(WHO[who]):
            assert each.name not in document["components"]["schemas"]


def test_every_type_that_can_be_listed_is_offered_to_administrators():
    paths = build_document("admin")["paths"]
    listed = [each for each in all_resources() if each.listable and "r" in each.roles.allowed_crud("admin")]
    assert listed
    assert [each.name for each in listed if "get" not in paths.get(f"/{each.plural_name.lower()}", {})] == []


def test_it_is_served_for_the_environment_of_the_request(api_of: Any, lab: Any):
    alice = api_of("alice").inside(lab)
    answer = alice.get("openapi.json")
    assert answer.status == 200
    assert answer["openapi"] == "3.1.0"
    assert answer["servers"] == [{"url": f"http://testserver/v1/projects/{alice.project}"}]
    assert "/hosts" in answer["paths"]
    assert "/openmodes" not in answer["paths"]
    assert api_of("root").get("openapi.json")["servers"] == [{"url": "http://testserver/v1"}]


def test_nobody_gets_it_without_a_credential(db: None):
    assert ApiClient().get("openapi.json").status == 401


def test_what_a_role_must_not_see_is_not_in_its_document(api_of: Any, lab: Any):
    for name, can_post in {"alice": True, "rita": False}.items():
        document = api_of(name).inside(lab).get("openapi.json").body
        assert ("post" in document["paths"]["/services"]) is can_post, name
        assert ("put" in document["paths"]["/hosts/{id}"]) is can_post, name


@pytest.mark.faces
@pytest.mark.parametrize("name", ["alice", "rita", "root"])
def test_every_list_row_and_link_answers_as_declared(name: str, api_of: Any, lab: Any, stack: Any):
    caller = api_of(name) if name == "root" else api_of(name).inside(lab)
    document = caller.get("openapi.json").body
    wrong: list[str] = []
    for path, method, _operation in operations(document):
        if method != "get" or "{" in path:
            continue
        answer = caller.get(path[1:])
        wrong += complaints(document, path, method, answer)
        for key in [row["id"] for row in answer["data"] if row.get("id")][:2] if answer.status == 200 else []:
            wrong += _complaints_about_row(document, caller, path, str(key))
    assert wrong == [], "\n".join(wrong)


def _complaints_about_row(document: Document, caller: ApiClient, path: str, key: str) -> list[str]:
    found: list[str] = []
    for below, found_methods in document["paths"].items():
        if below.startswith(f"{path}/{{id}}") and "get" in found_methods:
            answer = caller.get(below[1:].replace("{id}", key))
            found += complaints(document, below, "get", answer)
    return found


def test_refusals_are_declared_and_look_as_declared(api_of: Any, lab: Any, stack: Any):
    caller = api_of("alice").inside(lab)
    document = caller.get("openapi.json").body
    refused = [
        ("/services", "post", caller.post("services", {"name": "x"})),
        ("/services", "post", caller.post("services", '{"a": NaN}')),
        ("/services/{id}", "get", caller.get("services/1s999999")),
        ("/services/{id}", "put", caller.call("PUT", f"services/{stack['front']}", {"scale": "many"})),
        ("/services/{id}", "put", caller.call("PUT", f"services/{stack['front']}", {}, **{"If-Match": "x"})),
        ("/services/{id}", "post", caller.post(f"services/{stack['front']}?action=finishupgrade")),
    ]
    for path, method, answer in refused:
        assert 400 <= answer.status < 500, (path, answer.body)
        assert complaints(document, path, method, answer) == []


@pytest.mark.faces
def test_the_reference_has_a_page_for_every_type_with_its_requests(api_of: Any, lab: Any):
    alice = api_of("alice").inside(lab)
    index = alice.get("reference")
    assert index.status == 200
    names = re.findall(r"reference\?type=(\w+)", index.text)
    assert {"service", "host", "launchConfig"} <= set(names)
    for name in names:
        page = alice.get(f"reference?type={name}")
        assert page.status == 200, name
        assert f"<h1>{name}</h1>" in page.text
    assert "<code>addservicelink</code>" in index.text, "and no backticks"
    service = alice.get("reference?type=service").text
    assert "POST /services" in service
    assert "$CORRAL_ACCESS_KEY" in service


def test_the_reference_refuses_unknown_types_and_anonymous_readers(api_of: Any, lab: Any):
    alice = api_of("alice").inside(lab)
    for name in ("dragon", "openMode", "<script>", "x" * 5000):
        refused = alice.get("reference?" + urlencode({"type": name}))
        assert refused.status == 404
        assert len(refused.text) < 1000
    assert ApiClient().get("reference").status == 401


@pytest.mark.parametrize("path", ["services/%0A", "services/1s1%0A2/instances", "%0A", "services%0A"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_path_with_a_line_break_is_refused_as_the_document_says(path: str, method: str, api: ApiClient):
    answer = api.call(method, path, {})
    assert answer.status == 404
    assert answer["type"] == "error"


def test_the_receiver_of_deploy_webhooks_is_on_the_portal_itself(api_of: Any, lab: Any):
    document = api_of("alice").inside(lab).get("openapi.json").body
    found = document["paths"]["/v1-webhooks/{uuid}"]
    assert found["servers"] == [{"url": "http://testserver"}]
    assert found["post"]["security"] == [{}], "the signature is the credential"
    assert {each["name"] for each in found["post"]["parameters"]} == {"X-Corral-Timestamp", "X-Corral-Signature"}
    assert "portal.invalid" not in json.dumps(document)
    page = api_of("alice").inside(lab).get("reference?type=deployWebhook").text
    assert "POST /v1-webhooks/{uuid}" in page
    assert "/v1-webhooks/" not in build_document("token")["paths"]


def test_calls_of_deploy_webhooks_are_answered_as_declared(api_of: Any, lab: Any, stack: Any):
    alice, path = api_of("alice").inside(lab), "/v1-webhooks/{uuid}"
    document = alice.get("openapi.json").body
    hook = alice.post("deploywebhooks", {"serviceId": stack["front"], "task": "redeploy"}).body
    url = "/" + hook["url"].split("/", 3)[3]

    def call(body: Any, secret: str = "", **headers: str) -> ApiResponse:
        raw, timestamp = json.dumps(body).encode(), str(int(time.time()))
        signature = sign(secret or hook["secret"], timestamp, raw)
        signed = {"X-Corral-Timestamp": timestamp, "X-Corral-Signature": signature, **headers}
        return ApiClient().call("POST", url, raw, **signed)

    run_until_idle()
    answers = [
        call({}),
        call({"tag": "1"}),
        call([]),
        call({}, "guessed"),
        call({}, **{"X-Corral-Timestamp": "x"}),
        ApiClient().call("GET", url),
    ]
    assert [answer.status for answer in answers] == [202, 422, 422, 401, 401, 405]
    for answer in answers:
        assert complaints(document, path, "post", answer) == []
