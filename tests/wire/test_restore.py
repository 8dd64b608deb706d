"""`deletedResources` of an environment, and the action `restore`; lists show removed rows as v1's clients know it."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service


@pytest.fixture
def gone(api: Any, host: Host, stack: Any) -> Any:
    """A service of the lab, deleted."""
    found = api.get("services")["data"][0]
    api.delete(f"services/{found['id']}")
    for _turn in range(3):
        reconcile_until_idle()
        reconcile_one("service", int(found["id"][2:]))
    assert Service.all_objects.get(pk=int(found["id"][2:])).removed is not None
    return found


def test_it_is_listed_and_restored(api: Any, lab: Environment, gone: Any):
    project = api.get(f"/v1/projects/{wire_id('a', lab.pk)}")
    found = api.get(project["links"]["deletedResources"])
    assert [(each["resourceId"], each["name"]) for each in found["data"]] == [(gone["id"], gone["name"])]
    assert found["data"][0]["removedBy"]
    assert found["data"][0]["restorableUntil"] > found["data"][0]["removed"]
    restored = api.post(found["data"][0]["actions"]["restore"], {"name": "again"})
    assert (restored.status, restored["state"], restored["name"]) == (202, "restoring", "again")
    assert api.get(project["links"]["deletedResources"])["data"] == []


def test_what_is_there_is_not_restored(api: Any, host: Host, stack: Any):
    found = api.get("services")["data"][0]
    assert "restore" not in found["actions"]
    refused = api.post(f"services/{found['id']}?action=restore")
    assert (refused.status, refused["code"]) == (422, "ActionNotAvailable")


@pytest.mark.parametrize("name", ["a b", "x" * 64, "-a", ["web"]])
def test_a_name_that_cannot_be_is_refused(api: Any, gone: Any, name: Any):
    refused = api.post(f"services/{gone['id']}?action=restore", {"name": name})
    assert (refused.status, refused["fieldName"]) == (422, "name")
