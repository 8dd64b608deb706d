"""Rows of a foreign environment are not found: by any type, method, action, link or reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Session
from apps.api.wire.resource import all_resources
from apps.containers.models import Container
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.actor import actor_of_user
from apps.hosts.models import Host, HostEvent
from apps.hosts.services import host_create, token_ensure
from apps.network.addresses import Claim, claim_address
from apps.stacks.models import Service, ServiceLink
from apps.stacks.promotions.models import Promotion
from apps.stacks.updates.checks import check_images
from apps.volumes.models import Volume, VolumeMount
from tests.vault.issuing import issue
from tests.wire.api_client import FOREIGN_ENGINE, ApiClient

TENANT_RESOURCES = [each for each in all_resources() if each.listable and each.model is not None]

FAR = issue("far.example.org")
CERTIFICATE = {"name": "far", "cert": FAR.cert, "key": FAR.key_text}
TRUST_RULE = {
    "name": "far",
    "issuer": "https://gitlab.example.com",
    "audience": "far",
    "conditions": {"project_path": "far/shop"},
    "role": "readonly",
}
CATALOG = {"name": "theirs", "url": "https://git.example.com/theirs.git"}


@pytest.fixture
def foreign_ids(people: Any, foreign_environment: Any, key_of: Any) -> dict[str, str]:
    """The id of one row of every type in mallory's environment, by type."""
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
    mallory.post("externalservices", {"name": "db", "environmentId": made["id"], "hostname": "db.example.com"})
    mallory.post("dnsservices", {"name": "both", "environmentId": made["id"]})
    mallory.post("loadbalancerservices", {**body, "name": "lb", "launchConfig": {"ports": ["80:80"]}})
    mallory.post("containers", {"imageUuid": "docker:nowhere:1"})
    _add_others(mallory, one["id"])
    job = mallory.post("services", {**body, "name": "job", "schedule": {"cron": "0 3 * * *"}}).body["id"]
    reconcile_until_idle()
    assert mallory.post(f"services/{job}?action=runnow", {}).status < 300
    reconcile_until_idle()
    stack = mallory.post("environments", {"name": "file", "dockerCompose": "web:\n  image: sim:x\n"}).body
    reconcile_until_idle()
    changed = mallory.post(f"environments/{stack['id']}?action=upgrade", {"dockerCompose": "web:\n  image: sim:y\n"})
    assert changed.status < 300
    assert (Service.objects.within([foreign_environment.pk]).count(), ServiceLink.objects.count()) == (7, 1)
    _add_rows(host, mallory)
    session = Session.objects.create(account=people.mallory, digest="d", expires=timezone.now() + timedelta(hours=1))
    found = {"account": wire_id("a", people.mallory.pk), "loginSession": wire_id("ls", session.pk)}
    for each in TENANT_RESOURCES:
        listed = mallory.get(each.plural_name.lower())
        if listed.status == 200 and listed.ids:
            found.setdefault(each.name, listed.ids[0])
    return found


def _add_others(api: ApiClient, service: str) -> None:
    api.post("trustrules", TRUST_RULE)
    api.post("deploywebhooks", {"serviceId": service, "task": "redeploy"})
    for plural, content in (("certificates", CERTIFICATE), ("networkchecks", {}), ("catalogs", CATALOG)):
        api.post(plural, content)
    registry = api.post("registries", {"serverAddress": "quay.io"}).body["id"]
    api.post("registrycredentials", {"registryId": registry, "publicValue": "m", "email": "m@example.org"})


def _add_rows(host: Host, api: ApiClient) -> None:
    """What a request makes only with a managed network, or a second environment."""
    api.post("imageremovals", {"imageIds": api.get("hostimages").ids[:1]})
    api.post("imagebuilds", {"hostId": wire_id("h", host.pk), "imageName": "far:1"})
    where = host.environment
    Promotion.all_objects.create(environment=where, name="file", desired="done", docker_compose="web: {}")
    check_images()
    holder = Container.all_objects.filter(environment=host.environment_id)[0]
    claim_address(Claim(host.environment_id, holder.pk, holder.uuid, host.pk))
    place = {"environment_id": host.environment_id, "host": host}
    volume = Volume.all_objects.create(name="far", desired="inactive", state="inactive", **place)
    VolumeMount.objects.create(environment_id=host.environment_id, volume=volume, container=holder, path="/d")


def _requests(api: ApiClient, each: Any, path: str) -> list[tuple[str, str]]:
    ways = [("GET", path), ("PUT", path), ("DELETE", path), ("POST", path)]
    ways += [("POST", f"{path}/?action={action}") for action in each.actions]
    ways += [("GET", f"{path}/{link}") for link in (*each.links, "nowhere")]
    # Without the slash, and in small letters, the same address is written in another way: once for each type.
    ways += [("POST", f"{path}?action={action}") for action in each.actions[:1]]
    return ways + [("GET", f"{path}/{link.lower()}") for link in list(each.links)[:1]]


@pytest.mark.parametrize("who", ["environment key", "account", "member"])
def test_a_foreign_resource_is_not_found_by_any_method_action_or_link(
    api_of: Any, key_of: Any, lab: Any, foreign_ids: Any, who: str
):
    caller: ApiClient = {
        "environment key": lambda: key_of("alice"),
        "account": lambda: api_of("alice"),
        "member": lambda: api_of("bob").inside(lab),
    }[who]()
    tried = 0
    for each in TENANT_RESOURCES:
        if each.name not in foreign_ids:
            assert each.name in {"processInstance", "role", "sharedRegistry"}, each.name
            continue
        plural = each.plural_name.lower()
        for method, path in _requests(caller, each, f"{plural}/{foreign_ids[each.name]}"):
            answer = caller.call(method, path, {})
            assert answer.status == 404, (method, path, answer.body)
            tried += 1
        assert foreign_ids[each.name] not in caller.get(plural).ids, plural
    assert tried > 100


def test_a_foreign_environment_is_not_found_as_a_context(api_of: Any, foreign_ids: Any, foreign_environment: Any):
    alice = api_of("alice")
    project = wire_id("a", foreign_environment.pk)
    for path in ("containers", "schemas", "projects", "nonsense", "containers/1i1"):
        assert alice.inside(foreign_environment).get(path).status == 404
        assert alice.get(path, **{"X-API-Project-Id": project}).status == 404
        assert alice.get(f"{path}?projectId={project}").status == 404


def test_foreign_resources_cannot_be_referred_to(api: ApiClient, foreign_ids: Any, stack: Any):
    config = {"imageUuid": "docker:sim/x:1"}
    tries: list[tuple[str, dict[str, Any], str]] = [
        (
            "services",
            {"name": "x", "environmentId": foreign_ids["environment"], "launchConfig": config},
            "environmentId",
        ),
        ("containers", {**config, "requestedHostId": foreign_ids["host"]}, "requestedHostId"),
        ("containers", {**config, "dataVolumesFrom": [foreign_ids["container"]]}, "dataVolumesFrom"),
        (
            "containers",
            {**config, "networkMode": "container", "networkContainerId": foreign_ids["container"]},
            "networkContainerId",
        ),
        (
            f"services/{stack['front']}?action=addservicelink",
            {"serviceLink": {"serviceId": foreign_ids["service"], "name": "x"}},
            "serviceId",
        ),
        (
            f"services/{stack['front']}?action=setservicelinks",
            {"serviceLinks": [{"serviceId": foreign_ids["service"], "name": "x"}]},
            "serviceId",
        ),
    ]
    for path, body, field in tries:
        answer = api.post(path, body)
        assert (answer.status, answer["code"], answer["fieldName"]) == (422, "InvalidReference", field), path
