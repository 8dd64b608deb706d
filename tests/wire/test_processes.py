"""`processInstance`: operations, their steps, and how they are cancelled and retried."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry, Operation
from tests.wire.api_client import run_until_idle

IMAGE = "docker:sim/nginx:1"


def newest(api: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"processinstances?processName={name}&sort=startTime&order=desc")["data"][0]
    return found


@pytest.fixture
def container(api_of: Any, lab: Any, host: Any) -> dict[str, Any]:
    """A running container of the lab."""
    made: dict[str, Any] = api_of("bob").inside(lab).post("containers", {"imageUuid": IMAGE, "name": "box"}).body
    run_until_idle()
    return made


@pytest.mark.parametrize("name", ["alice", "bob", "rex", "rita"])
def test_members_see_the_operations_of_their_environment(api_of: Any, lab: Any, container: Any, name: str):
    found = newest(api_of(name).inside(lab), "container.create")
    assert (found["result"], found["resourceId"], found["resourceType"]) == ("SUCCESS", container["id"], "container")
    assert {"Placed on lab-1.", "Created on lab-1.", "Started."} <= {line["text"] for line in found["lines"]}
    assert found["actions"] == {}


def test_non_members_see_no_operations(api_of: Any, lab: Any, container: Any):
    operation = Operation.all_objects.get(name="container.create")
    assert api_of("mallory").get(f"processinstances/1pi{operation.pk}").status == 404
    assert api_of("mallory").inside(lab).get("processinstances").status == 404
    assert api_of("mallory").get("processinstances")["data"] == []


def test_a_role_with_operate_cancels_a_pending_operation(api_of: Any, lab: Any, container: Any):
    api = api_of("rex").inside(lab)
    api.post(f"containers/{container['id']}?action=stop", {})
    going = newest(api, "container.stop")
    assert set(going["actions"]) == {"cancel"}
    answer = api.post(going["actions"]["cancel"], {})
    assert (answer.status, answer["phase"], answer["result"]) == (202, "cancelled", "CANCELED")
    assert "Cancelled by" in answer["exitReason"]
    run_until_idle()
    assert api.get(f"containers/{container['id']}")["state"] == "running"
    assert AuditEntry.all_objects.filter(event="container.cancel", code="202").count() == 1


def test_a_reader_has_no_actions_at_all(api_of: Any, lab: Any, container: Any):
    api_of("bob").inside(lab).post(f"containers/{container['id']}?action=stop", {})
    rita = api_of("rita").inside(lab)
    going = newest(rita, "container.stop")
    assert going["actions"] == {}
    assert rita.post(f"{going['links']['self']}/?action=cancel", {}).status == 422
    assert rita.post(f"{going['links']['self']}/?action=retry", {}).status == 422


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_a_finished_operation_cannot_be_cancelled(api_of: Any, lab: Any, container: Any, action: str):
    api = api_of("bob").inside(lab)
    done = newest(api, "container.create")
    refused = api.post(f"{done['links']['self']}/?action={action}", {})
    assert (refused.status, refused["code"]) == (422, "ActionNotAvailable")


def test_a_failed_operation_is_retried(api_of: Any, lab: Any, container: Any):
    api = api_of("bob").inside(lab)
    api.post(f"containers/{container['id']}?action=stop", {})
    Operation.all_objects.filter(name="container.stop").update(state="failed")
    failed = newest(api, "container.stop")
    assert set(failed["actions"]) == {"retry"}
    assert api.post(failed["actions"]["retry"], {}).status == 202
    assert newest(api, "container.stop")["id"] != failed["id"]


def test_children_are_behind_a_link_and_know_their_parent(api_of: Any, lab: Any, stack: Any):
    api = api_of("bob").inside(lab)
    parent = newest(api, "service.create")
    children = api.get(f"{parent['links']['children']}?processName=container.create")["data"]
    births = api.get("processinstances?processName=container.create")["data"]
    assert {each["parentId"] for each in births} <= {
        each["id"] for each in api.get("processinstances?limit=500")["data"]
    }
    assert all(each["parentId"] == parent["id"] for each in children)


def test_steps_are_read_in_a_constant_number_of_queries(
    api_of: Any, lab: Any, container: Any, django_assert_max_num_queries: Any
):
    api = api_of("bob").inside(lab)
    api.get("processinstances")
    with django_assert_max_num_queries(8):
        assert len(api.get("processinstances")["data"]) > 2
