"""Evacuating hosts, and the policy for lost ones."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient, run_until_idle


@pytest.fixture
def inside(key_of: Any, lab: Environment) -> ApiClient:
    """The API with a key of the lab's owner."""
    found: ApiClient = key_of("alice").inside(lab)
    return found


def stack_of(api: ApiClient) -> str:
    made = api.post("environments", {"name": "shop"})
    run_until_idle()
    return str(made["id"])


def service(api: ApiClient, stack: str, **more: Any) -> Any:
    body = {"name": "web", "environmentId": stack, "scale": 1, "launchConfig": {"imageUuid": "docker:bb:local"}}
    return api.post("services", {**body, **more})


def test_a_host_is_evacuated(inside: ApiClient, host: Host) -> None:
    path = f"hosts/{wire_id('h', host.pk)}"
    assert "evacuate" in inside.get(path)["actions"]
    answer = inside.post(f"{path}?action=evacuate", {"stopStandalone": True})
    assert (answer.status, answer["state"], answer["transitioning"]) == (202, "evacuating", "yes")
    host.refresh_from_db()
    assert host.drain["stopStandalone"] is True
    run_until_idle()
    after = inside.get(path)
    assert after["state"] == "inactive"
    assert {"activate", "evacuate"} <= set(after["actions"])


def test_an_evacuation_ends_with_an_action(inside: ApiClient, host: Host) -> None:
    path = f"hosts/{wire_id('h', host.pk)}"
    answer_body = inside.post(f"{path}?action=evacuate")
    assert {"activate", "deactivate"} <= set(answer_body["actions"])
    assert inside.post(f"{path}?action=evacuate").status == 422
    assert inside.post(f"{path}?action=activate").status == 202
    run_until_idle()
    host.refresh_from_db()
    assert (host.display_state, host.drain) == ("active", {})


@pytest.mark.parametrize("body", [{"stopStandalone": "perhaps"}, {"stopStandalone": {}}])
def test_a_bad_request_is_refused(body: Any, inside: ApiClient, host: Host) -> None:
    answer = inside.post(f"hosts/{wire_id('h', host.pk)}?action=evacuate", body)
    assert (answer.status, answer["fieldName"]) == (422, "stopStandalone")
    host.refresh_from_db()
    assert host.display_state == "active"


@pytest.mark.parametrize(("who", "status"), [("rex", 422), ("rita", 422), ("mallory", 404)])
def test_other_roles_have_no_such_action(who: str, status: int, api_of: Any, lab: Environment, host: Host) -> None:
    api = api_of(who).inside(lab)
    assert api.post(f"hosts/{wire_id('h', host.pk)}?action=evacuate").status == status
    host.refresh_from_db()
    assert host.display_state == "active"


def test_a_service_says_what_it_does_about_lost_hosts(inside: ApiClient) -> None:
    stack = stack_of(inside)
    made = service(inside, stack, lostHostPolicy="reschedule", lostHostSeconds=90)
    assert (made.status, made["lostHostPolicy"], made["lostHostSeconds"]) == (201, "reschedule", 90)
    path = f"services/{made['id']}"
    changed = inside.put(path, {"lostHostSeconds": 120})
    assert (changed["lostHostPolicy"], changed["lostHostSeconds"]) == ("reschedule", 120)
    changed = inside.put(path, {"lostHostPolicy": "wait"})
    assert (changed["lostHostPolicy"], changed["lostHostSeconds"]) == ("wait", None)
    changed = inside.put(path, {"scale": 2})
    assert changed["lostHostPolicy"] == "wait"
    changed = inside.put(path, {"lostHostPolicy": "reschedule"})
    assert changed["lostHostSeconds"] == 60


def test_the_default_is_to_wait(inside: ApiClient) -> None:
    made = service(inside, stack_of(inside))
    assert (made["lostHostPolicy"], made["lostHostSeconds"]) == ("wait", None)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"lostHostPolicy": "never"}, "lostHostPolicy"),
        ({"lostHostPolicy": "reschedule", "lostHostSeconds": 3}, "lostHostSeconds"),
        ({"lostHostPolicy": "reschedule", "lostHostSeconds": "soon"}, "lostHostSeconds"),
        ({"lostHostSeconds": 60}, "lostHostSeconds"),
    ],
)
def test_an_invalid_policy_creates_no_service(more: dict[str, Any], field: str, inside: ApiClient) -> None:
    answer = service(inside, stack_of(inside), **more)
    assert (answer.status, answer["fieldName"]) == (422, field)
    assert Service.all_objects.count() == 0
