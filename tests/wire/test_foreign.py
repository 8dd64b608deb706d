"""What is in somebody else's environment is not there: on every type, method, action and link, and as a reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Session
from apps.api.wire.resource import all_resources
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.actor import actor_of_user
from apps.hosts.models import HostEvent
from apps.hosts.services import host_create, token_ensure
from apps.stacks.models import Service, ServiceLink
from tests.wire.api_client import FOREIGN_ENGINE, ApiClient

TENANT_RESOURCES = [each for each in all_resources() if each.listable and each.model is not None]


@pytest.fixture
def theirs(people: Any, foreign_environment: Any, key_of: Any) -> dict[str, str]:
    """One thing of every type in mallory's environment, by type."""
    host = host_create(
        actor=actor_of_user(people.root, "api"), environment=foreign_environment, url=FOREIGN_ENGINE, name="far-1"
    )
    HostEvent.objects.create(host=host, at=timezone.now(), kind="container", action="start")
    token_ensure(actor=actor_of_user(people.mallory, "api"), environment=foreign_environment)
    mallory = key_of("mallory", foreign_environment)
    made = mallory.post("environments", {"name": "their"}).body
    body = {"environmentId": made["id"], "launchConfig": {"imageUuid": "docker:sim/x:1"}, "startOnCreate": True}
    one = mallory.post("services", {**body, "name": "one"}).body
    other = mallory.post("services", {**body, "name": "other"}).body
    mallory.post(f"services/{one['id']}?action=addservicelink", {"serviceLink": {"serviceId": other["id"]}})
    mallory.post("containers", {"imageUuid": "docker:nowhere:1"})
    reconcile_until_idle()
    assert Service.objects.within([foreign_environment.pk]).count() == 2
    assert ServiceLink.objects.count() == 1
    root = wire_id("a", people.mallory.pk)
    session = Session.objects.create(account=people.mallory, digest="d", expires=timezone.now() + timedelta(hours=1))
    found = {"account": root, "loginSession": wire_id("ls", session.pk)}
    for each in TENANT_RESOURCES:
        listed = mallory.get(each.plural_name.lower())
        if listed.status == 200 and listed.ids:
            found.setdefault(each.name, listed.ids[0])
    return found


def _requests(api: ApiClient, each: Any, path: str) -> list[tuple[str, str]]:
    ways = [("GET", path), ("PUT", path), ("DELETE", path), ("POST", path)]
    ways += [("POST", f"{path}?action={action}") for action in each.actions]
    ways += [("POST", f"{path}/?action={action}") for action in each.actions]
    return ways + [("GET", f"{path}/{link}") for link in (*each.links, *(n.lower() for n in each.links), "nowhere")]


@pytest.mark.parametrize("who", ["environment key", "account", "member"])
def test_a_foreign_thing_is_not_there_whatever_is_tried(api_of: Any, key_of: Any, lab: Any, theirs: Any, who: str):
    caller: ApiClient = {
        "environment key": lambda: key_of("alice"),
        "account": lambda: api_of("alice"),
        "member": lambda: api_of("bob").inside(lab),
    }[who]()
    tried = 0
    for each in TENANT_RESOURCES:
        if each.name not in theirs:
            assert each.name in {"processInstance", "role"}, each.name
            continue
        plural = each.plural_name.lower()
        for method, path in _requests(caller, each, f"{plural}/{theirs[each.name]}"):
            answer = caller.call(method, path, {})
            assert answer.status == 404, (method, path, answer.body)
            tried += 1
        assert theirs[each.name] not in caller.get(plural).ids, plural
    assert tried > 100


def test_a_foreign_environment_is_not_there_as_a_context(api_of: Any, theirs: Any, foreign_environment: Any):
    alice = api_of("alice")
    project = wire_id("a", foreign_environment.pk)
    for path in ("containers", "schemas", "projects", "nonsense", "containers/1i1"):
        assert alice.inside(foreign_environment).get(path).status == 404
        assert alice.get(path, **{"X-API-Project-Id": project}).status == 404
        assert alice.get(f"{path}?projectId={project}").status == 404


def test_foreign_things_cannot_be_referred_to(api: ApiClient, theirs: Any, stack: Any):
    config = {"imageUuid": "docker:sim/x:1"}
    tries: list[tuple[str, dict[str, Any], str]] = [
        ("services", {"name": "x", "environmentId": theirs["environment"], "launchConfig": config}, "environmentId"),
        ("containers", {**config, "requestedHostId": theirs["host"]}, "requestedHostId"),
        ("containers", {**config, "dataVolumesFrom": [theirs["container"]]}, "dataVolumesFrom"),
        (
            "containers",
            {**config, "networkMode": "container", "networkContainerId": theirs["container"]},
            "networkContainerId",
        ),
        (
            f"services/{stack['front']}?action=addservicelink",
            {"serviceLink": {"serviceId": theirs["service"], "name": "x"}},
            "serviceId",
        ),
        (
            f"services/{stack['front']}?action=setservicelinks",
            {"serviceLinks": [{"serviceId": theirs["service"], "name": "x"}]},
            "serviceId",
        ),
    ]
    for path, body, field in tries:
        answer = api.post(path, body)
        assert (answer.status, answer["code"], answer["fieldName"]) == (422, "InvalidReference", field), path
