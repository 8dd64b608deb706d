"""`lock` and `unlock`: the field, the actions, and a refusal that says who, since when and why."""

from __future__ import annotations

from typing import Any

import pytest

from apps.hosts.models import Host


@pytest.fixture
def service(api: Any, host: Host, stack: Any) -> Any:
    """A service of the lab."""
    return api.get("services")["data"][0]


def test_a_service_is_locked_and_unlocked(api: Any, service: Any):
    path = f"services/{service['id']}"
    assert service["lock"] is None
    assert "lock" in service["actions"]
    assert "unlock" not in service["actions"]
    locked = api.post(f"{path}?action=lock", {"reason": "release freeze"})
    assert locked.status == 202
    found = api.get(path)
    assert (found["lock"]["reason"], found["lock"]["resourceId"]) == ("release freeze", service["id"])
    assert set(found["actions"]) <= {"unlock"}
    assert api.post(f"{path}?action=unlock").status == 202
    assert api.get(path)["lock"] is None


def test_every_change_of_what_a_stack_lock_covers_is_refused(api: Any, service: Any):
    stack = f"environments/{service['environmentId']}"
    assert api.post(f"{stack}?action=lock").status == 202
    path = f"services/{service['id']}"
    container = api.get(f"{path}/instances")["data"][0]
    config = {"imageUuid": "docker:x"}
    refused = [
        api.put(path, {"scale": 7}),
        api.put(stack, {"description": "x"}),
        api.delete(path),
        api.delete(stack),
        api.delete(f"containers/{container['id']}"),
        api.post(f"{path}?action=deactivate"),
        api.post(f"{path}?action=setservicelinks", {"serviceLinks": []}),
        api.post(f"{path}?action=upgrade", {"inServiceStrategy": {"launchConfig": config}}),
        api.post(f"{stack}?action=deactivateservices"),
        api.post(f"containers/{container['id']}?action=stop", {"timeout": 1}),
        api.post("services", {"name": "new", "environmentId": service["environmentId"], "launchConfig": config}),
    ]
    assert [(each.status, each["code"]) for each in refused] == [(422, "Locked")] * len(refused)
    assert all("has been locked by" in each["message"] for each in refused)
    assert api.get(path)["scale"] == service["scale"]
    assert api.get(path)["lock"]["resourceType"] == "environment"


def test_a_lock_of_its_own_is_needed_to_unlock(api: Any, service: Any):
    assert api.post(f"environments/{service['environmentId']}?action=lock").status == 202
    refused = api.post(f"services/{service['id']}?action=unlock")
    assert (refused.status, refused["code"]) == (422, "ActionNotAvailable")


@pytest.mark.parametrize("body", [{"reason": "x" * 256}, {"reason": ["a"]}, {"reason": {"a": 1}}])
def test_a_reason_that_cannot_be_is_refused(api: Any, service: Any, body: Any):
    refused = api.post(f"services/{service['id']}?action=lock", body)
    assert (refused.status, refused["fieldName"]) == (422, "reason")


def test_a_deleted_service_is_not_locked_and_says_so(api: Any, service: Any):
    path = f"services/{service['id']}"
    assert api.delete(f"{path}?undoSeconds=30").status < 300
    refused = api.post(f"{path}?action=lock")
    assert refused.status == 422
    assert "delete" in refused["message"]
    assert "no lock" not in refused["message"]
    changed = api.put(path, {"scale": 2})
    assert changed.status == 422
    assert "Undo its deletion" in changed["message"]
