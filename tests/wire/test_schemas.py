"""Snapshots of the schemas: what clients are generated from must not change by accident."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.api_client import ApiClient

SERVICE = (
    "name:cu* description:cu accountId created kind removed state transitioning transitioningMessage "
    "transitioningProgress uuid assignServiceIpAddress:c createIndex currentScale environmentId:c* externalId:c fqdn "
    "healthState imageUpdate imageUpdatePolicy:cu launchConfig:c lock lostHostPolicy:cu lostHostSeconds:cu metadata:cu "
    "publicEndpoints retainIp:cu runningScale scale:cu scalePolicy:cu schedule:cu secondaryLaunchConfigs:c "
    "selectorContainer:cu selectorLink:cu startOnCreate:c targetScale upgrade upgradeVerdict:cu vip:c"
)
ACTIONS = {
    "account": "activate deactivate purge remove restore update",
    "adoptionCandidate": "adopt preview",
    "apiKey": "activate deactivate purge remove update",
    "certificate": "remove update",
    "container": "execute logs portforward proxy purge remove restart start stop unpause update",
    "dnsService": (
        "activate addservicelink cancelrollback cancelupgrade continueupgrade deactivate finishupgrade lock purge "
        "remove removeservicelink restart restore returntorevision rollback runnow setservicelinks undo unlock "
        "update upgrade upgradeimages"
    ),
    "externalService": (
        "activate cancelrollback cancelupgrade deactivate finishupgrade lock purge remove restart "
        "restore rollback runnow undo unlock update upgrade"
    ),
    "environment": (
        "activateservices addoutputs cancelrollback cancelupgrade deactivateservices exportconfig finishupgrade "
        "giveback lock previewpromotion previewupgrade purge remove restore returntorevision rollback undo unlock "
        "update upgrade"
    ),
    "deployWebhook": "activate deactivate purge remove renewsecret update",
    "host": "activate deactivate dockersocket evacuate importimage purge remove removeimage update",
    "hostImage": "tag",
    "catalog": "activate deactivate purge refresh remove update",
    "imagePull": "again cancel",
    "imageBuild": "cancel remove sendcontext",
    "imageRemoval": "remove",
    "imageUpdate": "check",
    "networkCheck": "run",
    "loadBalancerService": (
        "activate addservicelink cancelrollback cancelupgrade continueupgrade deactivate finishupgrade lock purge "
        "remove removeservicelink restart restore returntorevision rollback runnow setservicelinks undo unlock "
        "update upgrade upgradeimages"
    ),
    "loginSession": "confirm",
    "password": "changesecret",
    "secondFactor": "confirm disable enrol renewcodes reset",
    "processInstance": "cancel retry",
    "project": "activate deactivate delete purge remove restore setmembers update",
    "promotion": "approve refuse undo",
    "registrationToken": "activate deactivate purge remove rotate update",
    "registry": "activate deactivate purge remove restore test update",
    "registryCredential": "activate deactivate purge remove update",
    "role": "replace",
    "storagePool": "prune",
    "trustRule": "activate deactivate purge remove update",
    "volume": "purge remove",
    "service": (
        "activate addservicelink cancelrollback cancelupgrade continueupgrade deactivate finishupgrade lock purge "
        "remove removeservicelink restart restore returntorevision rollback runnow setservicelinks undo unlock "
        "update upgrade upgradeimages"
    ),
}


def _types(api: ApiClient) -> dict[str, Any]:
    return {each["id"]: each for each in api.get("schemas")["data"]}


def _written(schema: dict[str, Any]) -> set[str]:
    fields = set()
    for name, field in schema["resourceFields"].items():
        letters = "c" * field["create"] + "u" * field["update"] + "*" * field["required"]
        fields.add(f"{name}:{letters}" if letters else name)
    return fields - {"id"}


def test_an_owners_schemas(api: ApiClient):
    types = _types(api)
    actions = {name: " ".join(sorted(each["resourceActions"])) for name, each in types.items()}
    assert {name: words for name, words in actions.items() if words} == ACTIONS
    assert _written(types["service"]) == set(SERVICE.split())
    assert types["container"]["resourceFields"]["imageUuid"]["type"] == "string"
    assert types["container"]["resourceFields"]["ports"]["type"] == "array[string]"
    assert types["container"]["resourceActions"]["stop"] == {"input": "instanceStop", "output": "container"}
    assert types["service"]["collectionFilters"]["name"]["modifiers"][:3] == ["eq", "ne", "prefix"]
    assert types["restartPolicy"]["links"].get("collection") is None
    assert (types["containerLogs"]["pluralName"], types["restartPolicy"]["pluralName"]) == (
        "containerLogses",
        "restartPolicys",
    )
    assert types["apiKey"]["resourceFields"]["secretValue"]["readOnCreateOnly"] is True


@pytest.mark.parametrize("word", ["service", "SERVICES", "schemas", "restartPolicys"])
def test_a_schema_is_found_by_name_and_plural(api: ApiClient, word: str):
    found = api.get(f"schemas/{word}")
    assert (found.status, found["type"]) == (200, "schema")


def test_every_type_that_a_schema_names_has_a_schema(api: ApiClient):
    types = _types(api)
    basic = {"string", "int", "float", "boolean", "date", "enum", "password", "json", "blob"}
    not_yet = {"network", "registryCredential"}
    for name, each in types.items():
        for field in each["resourceFields"].values():
            inner = field["type"]
            while "[" in inner:
                inner = inner[inner.index("[") + 1 : -1]
            assert inner in basic | set(types) | not_yet, (name, inner)
        for action in each["resourceActions"].values():
            assert {action["output"], action.get("input", name)} <= set(types), (name, action)


def test_readers_and_non_members_see_less(api_of: Any, lab: Any):
    reader, owner = _types(api_of("rita").inside(lab)), _types(api_of("alice").inside(lab))
    assert set(owner) - set(reader) == {"acmeCertificate", "auditVerification", "engineEndpoint", "registrationToken"}
    assert not [each for each in _written(reader["service"]) if ":c" in each or ":u" in each]
    assert {name for name, each in reader.items() if each["resourceActions"]} == {"container"}
    assert set(_types(ApiClient())) == {"schema", "token"}
    restricted = _types(api_of("rex").inside(lab))
    assert restricted["host"]["resourceActions"] == {}
    assert restricted["host"]["resourceMethods"] == ["GET"]
