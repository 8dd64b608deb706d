"""The compatibility traps that the contract lists (section 8), one test each."""

from __future__ import annotations

import re
from typing import Any

from apps.containers.models import Container
from apps.core.ids import wire_id
from tests.wire.api_client import ApiClient, run_until_idle

CONFIG = {"imageUuid": "docker:sim/nginx:1"}


def test_removed_null_means_null_whatever_its_value(api: ApiClient, stack: Any):
    other = api.post("environments", {"name": "gone"})["id"]
    run_until_idle()
    assert api.delete(f"environments/{other}")["state"] == "removing"
    run_until_idle()
    assert other in api.get("environments").ids
    for value in ("%3Cnil%3E", "1", ""):
        assert api.get(f"environments?removed_null={value}").ids == [stack["stack"]]


def test_null_links_and_actions_are_accepted_at_every_depth(api: ApiClient, stack: Any):
    empty = {"links": None, "actions": None, "id": None, "type": ""}
    body = {
        **empty,
        "name": "deep",
        "environmentId": stack["stack"],
        "launchConfig": {**empty, **CONFIG, "ports": None},
    }
    made = api.post("services", body)
    assert made.status == 201, made.body
    run_until_idle()
    assert api.post(f"services/{made['id']}?action=activate", "null").status == 202


def test_a_body_without_content_type_is_json_and_forms_are_parsed_too(api: ApiClient, people: Any):
    made = api.call("POST", "environments", b'{"name":"bare"}', **{"Content-Type": ""})
    assert (made.status, made["name"]) == (201, "bare")
    curl = api.call("POST", "environments", b'{"name":"curl"}', **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (curl.status, curl["name"]) == (201, "curl")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    token = ApiClient().call("POST", "token", b"code=alice%3Acorrect+horse+battery+staple", **form)
    assert token.status == 201, token.body
    assert token["user"] == "alice"
    assert api.call("POST", "environments", b"name=form&environment=%7B%22A%22%3A%22b%22%7D", **form)[
        "environment"
    ] == {"A": "b"}


def test_types_are_found_in_any_letter_case_singular_and_plural(api: ApiClient):
    for word in ("serviceConsumeMaps", "serviceconsumemap", "SERVICECONSUMEMAPS"):
        assert api.get(word)["resourceType"] == "serviceConsumeMap"


def test_every_response_names_the_schemas_of_its_context(api_of: Any, lab: Any):
    alice = api_of("alice")
    inside = alice.inside(lab)
    plain, own = "http://testserver/v1/schemas", f"http://testserver/v1/projects/{inside.project}/schemas"
    for path in ("", "containers", "containers/1i999", "nonsense"):
        assert alice.get(path).headers["X-API-Schemas"] == plain
    for path in ("containers", "containers/1i999", "nonsense", "schemas/schemas"):
        assert inside.get(path).headers["X-API-Schemas"] == own
    assert inside.get("containers").headers["X-API-Account-Id"] == inside.project
    for answer in (
        ApiClient().get(""),
        ApiClient().get("token"),
        alice.call("PATCH", "containers"),
        alice.post("containers", "{"),
    ):
        assert answer.headers["X-API-Schemas"] == plain
    assert inside.get("schemas/schemas").status == 200


KEYS = ["1i999", "1s1", "1zz1", "web", "x y", "1", "-1", "1i", "1i99999999999999999999", "%00", "1i%001", "☃", "1!a"]


def test_unknown_and_malformed_ids_are_not_found(api: ApiClient, stack: Any):
    for key in KEYS:
        for plural in ("containers", "environments", "projects", "auditlogs"):
            for path in (f"{plural}/{key}", f"{plural}/{key}/account"):
                assert api.get(path).status == 404, path
    assert api.get(f"services/1e{stack['front'][2:]}").status == 404
    assert api.get("services/stack/service").status == 404


def test_unknown_and_unwritable_fields_are_dropped(api: ApiClient, stack: Any):
    made = api.post("environments", {"name": "plain", "nonsense": {"a": [1]}, "state": "removed", "accountId": "1a1"})
    assert (made.status, made["state"]) == (201, "activating")
    changed = api.put(f"services/{stack['front']}", {**api.get(f"services/{stack['front']}").body, "scale": 3})
    assert (changed.status, changed["scale"]) == (200, 3)


def test_a_secret_is_shown_once(api: ApiClient):
    made = api.post("apikeys", {"name": "ci"})
    assert made.status == 201
    assert made["state"] == "registering"
    assert re.fullmatch("[0-9A-F]{20}", made["publicValue"])
    assert re.fullmatch("[A-Za-z0-9]{40}", made["secretValue"])
    run_until_idle()
    reloaded = api.get(f"apikeys/{made['id']}")
    assert (reloaded["publicValue"], reloaded["secretValue"]) == (made["publicValue"], None)
    assert all(each["secretValue"] is None for each in api.get("apikeys")["data"])
    assert ApiClient(f"{made['publicValue']}:{made['secretValue']}").get("containers").status == 200


def test_removed_rows_are_listed_for_a_while_and_stay_readable_by_id(api: ApiClient, stack: Any, settings: Any):
    api.delete(f"services/{stack['back']}")
    run_until_idle()
    answer_gone = api.get(f"services/{stack['back']}")
    assert answer_gone["state"] == "removed"
    assert answer_gone["removed"] is not None
    assert stack["back"] in api.get("services").ids
    old = "2020-01-01T00:00:00Z"
    Container.all_objects.filter(slot=None).update(removed=old)
    assert all(each["removed"] is None for each in api.get("containers")["data"])


def test_action_urls_have_a_slash_before_the_question_mark_and_need_none(api: ApiClient, stack: Any):
    urls = api.get(f"services/{stack['front']}")["actions"]
    assert urls["deactivate"].endswith(f"/services/{stack['front']}/?action=deactivate")
    assert api.post(urls["deactivate"])["state"] == "deactivating"
    run_until_idle()
    assert api.post(urls["deactivate"].replace("/?", "?").replace("deactivate", "activate"))["state"] == "activating"


def test_dates_have_no_fraction_and_a_copy_in_milliseconds(api: ApiClient, stack: Any):
    found = api.get(f"environments/{stack['stack']}")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["created"])
    assert 1_500_000_000_000 < found["createdTS"] < 5_000_000_000_000
    assert found["removed"] is None
    assert "removedTS" not in found.body


def test_responses_do_not_wait_for_the_reconcile(api: ApiClient, host: Any):
    made = api.post("containers", {**CONFIG, "name": "one"})
    assert (made.status, made["state"], made["transitioning"]) == (201, "creating", "yes")
    assert made["transitioningMessage"]
    run_until_idle()
    found = api.get(f"containers/{made['id']}")
    assert (found["state"], found["transitioning"], found["transitioningMessage"]) == ("running", "no", None)
    assert {"stop", "restart", "update", "execute", "logs", "portforward", "proxy"} == set(found["actions"])
    stopping = api.post(found["actions"]["stop"], {"timeout": 1, "remove": False})
    assert (stopping.status, stopping["state"], stopping["transitioning"]) == (202, "stopping", "yes")
    run_until_idle()
    assert set(api.get(f"containers/{made['id']}")["actions"]) == {"start", "remove", "logs", "update"}
    assert api.delete(f"containers/{made['id']}")["state"] == "removing"


def test_a_running_container_may_be_deleted(api: ApiClient, host: Any):
    made = api.post("containers", {**CONFIG, "name": "one"})
    run_until_idle()
    refused = api.post(f"containers/{made['id']}?action=remove")
    assert (refused.status, refused["code"]) == (422, "ActionNotAvailable")
    assert api.delete(f"containers/{made['id']}").status == 200


def test_metadata_and_labels_are_returned_as_sent(api: ApiClient, stack: Any):
    metadata = {"io.rancher.service.hash": "Ab é", "b": {"z": [1, None, 2.5], "a": ""}, "a": True}
    labels = {"z": "1", "a.b/c": " x ", "io.rancher.service.hash": "f00"}
    body = {"name": "hash", "environmentId": stack["stack"], "metadata": metadata}
    made = api.post("services", {**body, "launchConfig": {**CONFIG, "labels": labels}})
    for answer in (made, api.get(f"services/{made['id']}")):
        assert answer["metadata"] == metadata
        assert list(answer["launchConfig"]["labels"].items()) == list(labels.items())


def test_transform_is_deterministic_and_returns_a_container(api: ApiClient):
    request = {
        "Name": "/web",
        "Config": {
            "Image": "nginx",
            "Cmd": ["a"],
            "Env": ["A=b=c", "D="],
            "Labels": {"x": "y"},
            "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
            "Tty": True,
            "Volumes": {"/data": {}},
        },
        "HostConfig": {
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "Binds": ["/a:/b"],
            "CapAdd": ["NET_ADMIN"],
            "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
            "Memory": 1024,
        },
    }
    found = api.post("/v1/scripts/transform", request)
    assert found.status == 200
    assert found["imageUuid"] == "docker:nginx"
    assert found["ports"] == ["8080:80/tcp"]
    assert found["expose"] == ["81/tcp"]
    assert found["environment"] == {"A": "b=c", "D": ""}
    assert found["restartPolicy"]["name"] == "always"
    assert found["networkMode"] == "bridge"
    assert (found["tty"], found["memory"], found["dataVolumes"]) == (True, 1024, ["/data", "/a:/b"])
    assert api.post("/v1/scripts/transform", request).body == found.body
    request["HostConfig"] = {"NetworkMode": "container:abc"}
    assert api.post("/v1/scripts/transform", request).status == 422
    assert ApiClient().post("/v1/scripts/transform", request).status == 401


def test_a_limit_of_zero_or_less_is_no_limit(api: ApiClient):
    for number in range(3):
        api.post("environments", {"name": f"s{number}"})
    for limit in (-1, -2, 0):
        assert len(api.get(f"environments?limit={limit}").ids) == 3
    page = api.get("environments?limit=2")
    assert (len(page.ids), page["pagination"]["partial"], page["pagination"]["total"]) == (2, True, None)
    rest = api.get(page["pagination"]["next"])
    assert (len(rest.ids), rest["pagination"]["next"], rest["pagination"]["partial"]) == (1, None, False)


def test_wrong_credentials_are_refused_while_access_control_is_on(api: ApiClient, lab: Any):
    for key in ("nobody:nothing", api.key + "x", "x"):
        assert ApiClient(key).get(f"projects/{wire_id('a', lab.pk)}").status == 401
