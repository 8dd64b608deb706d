"""`undoSeconds` and the action `undo`; without the parameter everything is as v1's clients know it."""

from __future__ import annotations

from typing import Any

import pytest

from apps.hosts.models import Host


@pytest.fixture
def service(api: Any, host: Host, stack: Any) -> Any:
    """A service of the lab."""
    return api.get("services")["data"][0]


def test_a_deletion_with_a_time_is_undone(api: Any, service: Any):
    path = f"services/{service['id']}"
    deleted = api.delete(f"{path}?undoSeconds=30")
    assert (deleted.status, deleted["state"]) == (200, "removing")
    assert "undo" in api.get(path)["actions"]
    undone = api.post(f"{path}?action=undo")
    assert undone.status == 202
    assert "undo" not in api.get(path)["actions"]


def test_a_stack_is_undone_too(api: Any, service: Any):
    path = f"environments/{service['environmentId']}"
    assert api.post(f"{path}?action=remove&undoSeconds=30").status == 202
    assert api.post(f"{path}?action=undo").status == 202
    assert api.get(path)["state"] != "removed"


def test_without_the_parameter_there_is_nothing_to_undo(api: Any, service: Any):
    path = f"services/{service['id']}"
    assert "undo" not in service["actions"]
    assert api.delete(path)["state"] == "removing"
    refused = api.post(f"{path}?action=undo")
    assert (refused.status, refused["code"]) == (422, "ActionNotAvailable")


@pytest.mark.parametrize("seconds", ["", "many", "-1", "61", "1.5", "%C2%B2", "9" * 400])
def test_a_time_that_cannot_be_is_refused(api: Any, service: Any, seconds: str):
    found = api.delete(f"services/{service['id']}?undoSeconds={seconds}")
    assert (found.status, found["fieldName"]) == (422, "undoSeconds")
    assert api.get(f"services/{service['id']}")["state"] == service["state"]
