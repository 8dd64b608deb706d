"""Kinds on the wire: v1's words, `project` and `environment`, wherever a kind can be read, filtered or exported."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.socket_render import render
from apps.api.wire.kinds import internal_name, wire_name, wire_type
from apps.control.kinds import KINDS
from apps.control.models import AuditEntry, Operation
from apps.core.ids import row_number, wire_id
from apps.environments.actor import actor_of_user
from apps.environments.services import environment_update
from apps.stacks.models import Stack
from tests.wire.api_client import http_client, run_until_idle


@pytest.fixture
def busy(api_of: Any, lab: Any, host: Any) -> Any:
    """Bob in the lab, after he has added a stack, changed it and cancelled that; alice has changed the lab."""
    bob = api_of("bob").inside(lab)
    made = bob.post("environments", {"name": "shop"}).body
    run_until_idle()
    bob.put(f"environments/{made['id']}", {"description": "soon cancelled"})
    [pending] = bob.get("processinstances?processName=environment.update")["data"]
    bob.post(pending["actions"]["cancel"], {})
    assert api_of("alice").put(f"projects/{wire_id('a', lab.pk)}", {"description": "changed"}).status == 200
    run_until_idle()
    return bob


def test_inside_every_kind_has_its_own_name(busy: Any):
    assert {"environment", "stack"} <= set(KINDS)
    assert "project" not in KINDS
    assert set(Operation.all_objects.values_list("kind", flat=True)) <= {*KINDS}
    assert set(AuditEntry.all_objects.exclude(kind="").values_list("kind", flat=True)) <= {*KINDS}


def test_operations_are_named_filtered_and_sorted_in_v1_words(busy: Any, lab: Any):
    rows = busy.get("processinstances")["data"]
    named = {(row["resourceType"], row["processName"]) for row in rows}
    assert {("environment", "environment.create"), ("environment", "environment.cancel")} <= named
    assert ("project", "project.update") in named
    assert not {kind for kind, _name in named if kind == "stack"}
    [project] = busy.get("processinstances?resourceType=project&processName=project.update")["data"]
    assert project["resourceId"] == wire_id("a", lab.pk)
    assert busy.get("processinstances?resourceType=stack")["data"] == []
    stacks = busy.get("processinstances?processName_prefix=environment.&sort=processName")["data"]
    assert [row["processName"] for row in stacks] == [
        "environment.cancel",
        "environment.create",
        "environment.update",
    ]
    assert {row["resourceId"][:2] for row in stacks} == {"1e"}


def test_audit_entries_are_named_filtered_and_exported_in_v1_words(busy: Any, api_of: Any, lab: Any):
    alice = api_of("alice").inside(lab)
    rows = alice.get("auditlogs?limit=-1")["data"]
    named = {(row["resourceType"], row["eventType"]) for row in rows}
    assert {("environment", "api.environment.create"), ("project", "api.project.update")} <= named
    assert not [event for _kind, event in named if event.startswith("api.stack.")]
    assert {row["eventType"] for row in alice.get("auditlogs?resourceType=environment")["data"]} == {
        "api.environment.create",
        "api.environment.update",
        "api.environment.cancel",
    }
    key = "Basic " + base64.b64encode(alice.key.encode()).decode()
    file: Any = http_client.get("/v1/auditlogs?export=jsonl", headers={"Authorization": key})
    exported = [json.loads(line) for line in b"".join(file.streaming_content).splitlines()]
    assert {("environment", "environment.cancel"), ("project", "project.update")} <= {
        (row["kind"], row["event"]) for row in exported
    }
    assert not [row for row in exported if row["kind"] == "stack"]


def test_a_cancellation_names_the_cancelled_operation_in_v1_words(busy: Any, api_of: Any, lab: Any):
    [cancelled] = api_of("alice").inside(lab).get("auditlogs?eventType=api.environment.cancel")["data"]
    assert json.loads(cancelled["requestObject"])["name"] == "environment.update"
    assert AuditEntry.all_objects.get(event="stack.cancel").request["name"] == "stack.update"


def test_a_refused_request_is_recorded_under_the_internal_kind_however_long_its_action(api_of: Any, lab: Any):
    root = api_of("root")
    assert root.post(f"projects/{wire_id('a', lab.pk)}?action={'x' * 200}", {}).status == 422
    event = "project." + "x" * 88
    assert AuditEntry.all_objects.order_by("-pk")[0].event == "environment." + "x" * 88
    assert [row["responseCode"] for row in root.get(f"auditlogs?eventType=api.{event}")["data"]] == ["422"]


def test_subscribers_get_v1_types(api_of: Any, lab: Any, people: Any, host: Any):
    made = api_of("bob").inside(lab).post("environments", {"name": "shop"}).body
    environment_update(lab, actor=actor_of_user(people.alice, "api"), description="x")
    actor = actor_of_user(people.bob, "api")
    stack = render(Stack.KIND, row_number(made["id"]) or 0, actor, "https://portal", "v1")
    project = render(lab.KIND, lab.pk, actor, "https://portal", "v1")
    assert stack is not None
    assert project is not None
    assert (stack["type"], stack["id"]) == ("environment", made["id"])
    assert (project["type"], project["id"]) == ("project", wire_id("a", lab.pk))


@given(st.sampled_from(sorted(KINDS)), st.text("abcxyz.", max_size=8))
def test_names_go_to_the_wire_and_back(kind: str, action: str):
    assert internal_name(wire_name(f"{kind}.{action}")) == f"{kind}.{action}"
    assert wire_name(f"{kind}.{action}") == f"{wire_type(kind)}.{action}"


def test_two_kinds_never_share_a_word():
    assert len({wire_type(kind) for kind in KINDS}) == len(KINDS)
