"""Upgrading a stack by file over the API: the answers of `upgrade`, its preview, and the stack's revisions."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from tests.wire.api_client import ApiClient

BEFORE = "web: {image: 'bb:local', environment: {TOKEN: $WORD}}\ndb: {image: 'bb:local'}\n"
AFTER = "web: {image: 'bb:new', environment: {TOKEN: $WORD}}\nqueue: {image: 'bb:local'}\n"


@pytest.fixture
def shop(api: ApiClient, host: Host, sim: SimulatedDriver, run_loop: Callable[[], None]) -> Any:
    """A running stack of two services; calls give it anew, at rest."""
    sim.local_images.add("bb:new")
    made = api.post(
        "environments",
        {
            "name": "shop",
            "dockerCompose": BEFORE,
            "environment": {"WORD": "hunter2-hunter2"},
            "externalId": "catalog://a:b:0",
            "startOnCreate": True,
        },
    )

    def read() -> Any:
        for _again in range(3):
            for model in (Service, Stack):
                model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
            run_loop()
        return api.get(f"environments/{made['id']}")

    return read


def body(**more: Any) -> dict[str, Any]:
    return {"dockerCompose": AFTER, "environment": {"WORD": "letmein-letmein"}, "externalId": "catalog://a:b:1", **more}


def test_upgrade_and_finish(api: ApiClient, shop: Any) -> None:
    row = shop()
    assert {"upgrade", "previewupgrade"} <= set(row["actions"])
    answer = api.post(f"environments/{row['id']}?action=upgrade", body())
    assert (answer.status, answer["state"], answer["transitioning"]) == (202, "upgrading", "yes")
    row = shop()
    assert (row["state"], row["externalId"], row["previousExternalId"]) == (
        "upgraded",
        "catalog://a:b:1",
        "catalog://a:b:0",
    )
    assert row["previousEnvironment"] == {"WORD": "hunter2-hunter2"}
    assert {"finishupgrade", "rollback", "remove"} <= set(row["actions"])
    assert "upgrade" in row["actions"]  # another file replaces what is not decided
    assert "cancelupgrade" not in row["actions"]
    assert api.post(f"environments/{row['id']}?action=finishupgrade").status == 202
    row = shop()
    assert (row["state"], row["previousExternalId"]) == ("active", None)
    names = {each["name"] for each in api.get(f"environments/{row['id']}/services")["data"]}
    assert names == {"web", "db", "queue"}
    found = api.get(f"environments/{row['id']}/revisions")["data"]
    assert {(each["number"], each["current"], tuple(each["services"])) for each in found} == {
        (1, False, ("db", "web")),
        (2, True, ("db", "queue", "web")),
    }
    assert api.post(f"environments/{row['id']}?action=returntorevision", {"revision": 1}).status == 202
    row = shop()
    assert (row["state"], row["environment"]) == ("upgraded", {"WORD": "hunter2-hunter2"})


def test_upgrade_and_roll_back(api: ApiClient, shop: Any) -> None:
    row = shop()
    api.post(f"environments/{row['id']}?action=upgrade", body())
    row = shop()
    assert api.post(f"environments/{row['id']}?action=rollback")["state"] == "rolling-back"
    row = shop()
    assert (row["state"], row["externalId"]) == ("active", "catalog://a:b:0")
    there = api.get(f"projects/{row['accountId']}/containers")["data"]
    assert {each["imageUuid"] for each in there if each["state"] == "running"} == {"docker:bb:local"}


def test_the_preview_masks_secrets_and_its_basis_goes_with_the_upgrade(api: ApiClient, shop: Any) -> None:
    row = shop()
    answer = api.post(f"environments/{row['id']}?action=previewupgrade", body(removeMissing=True))
    assert (answer.status, answer["type"], answer["problems"]) == (200, "stackUpgradePreview", [])
    assert {each["name"]: each["change"] for each in answer["services"]} == {
        "web": "upgrade",
        "queue": "create",
        "db": "remove",
    }
    assert "hunter2" not in str(answer.body)
    assert "letmein" not in str(answer.body)
    assert shop()["state"] == "active"
    service = api.get(f"environments/{row['id']}/services?name=db")["data"][0]
    assert api.put(f"services/{service['id']}", {"scale": 2}).status < 300
    shop()
    late = api.post(f"environments/{row['id']}?action=upgrade", body(basedOn=answer["basedOn"]))
    assert late.status == 412
    preview = api.post(f"environments/{row['id']}?action=returntorevision", {"revision": 1, "preview": True})
    assert [each["change"] for each in preview["services"]] == ["update", "unchanged"]


def test_an_empty_file_for_a_stack_that_has_one_is_refused_as_empty(api: ApiClient, shop: Any) -> None:
    answer = api.post(f"environments/{shop()['id']}?action=previewupgrade", {"dockerCompose": ""})
    assert (answer.status, answer["fieldName"]) == (422, "dockerCompose")
    assert answer["message"].startswith("dockerCompose is empty: leave it out")


def test_only_the_named_services_are_upgraded(api: ApiClient, shop: Any) -> None:
    row = shop()
    sent = body(services=["queue"])
    answer = api.post(f"environments/{row['id']}?action=previewupgrade", sent)
    assert {each["name"]: each["change"] for each in answer["services"]} == {
        "queue": "create",
        "web": "keep",
        "db": "keep",
    }
    assert api.post(f"environments/{row['id']}?action=upgrade", sent).status == 202
    assert shop()["state"] == "upgraded"
    there = api.get(f"environments/{row['id']}/services")["data"]
    images = {each["name"]: each["launchConfig"]["imageUuid"] for each in there}
    assert images == {"web": "docker:bb:local", "db": "docker:bb:local", "queue": "docker:bb:local"}


def test_a_bundle_takes_the_place_of_the_files(api: ApiClient, shop: Any) -> None:
    row = shop()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("docker-compose.yml", "web: {image: 'bb:new', env_file: more.env}\n")
        archive.writestr("more.env", "COLOR=green\n")
    sent = {"bundle": base64.b64encode(data.getvalue()).decode()}
    both = api.post(f"environments/{row['id']}?action=previewupgrade", {**sent, "dockerCompose": AFTER})
    assert (both.status, both["fieldName"]) == (422, "bundle")
    assert api.post(f"environments/{row['id']}?action=upgrade", sent).status == 202
    shop()
    found = api.get(f"environments/{row['id']}/services?name=web")["data"][0]["launchConfig"]
    assert (found["imageUuid"], found["environment"]) == ("docker:bb:new", {"COLOR": "green"})


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"dockerCompose": "web: ["}, "dockerCompose"),
        ({"dockerCompose": "nothing: {}\n"}, "dockerCompose"),  # `web: {}` is the one that is there
        ({"rancherCompose": "web: {scale: many}"}, "rancherCompose"),
        ({"environment": "no map"}, "environment"),
        ({"note": "x" * 501}, "note"),
        ({"externalId": "x" * 300}, "externalId"),
        ({"removeMissing": "maybe"}, "removeMissing"),
        ({"services": ["web", "nothing"]}, "services"),
        ({"services": ["web"], "removeMissing": True}, "services"),
        ({"bundle": "no base64!"}, "bundle"),
        ({"bundle": "bm8gYXJjaGl2ZQ=="}, "bundle"),
        ({"dockerCompose": "web: {image: bb, privileged: true, pid: host, volumes: ['/:/host']}\n"}, "dockerCompose"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(api: ApiClient, shop: Any, sent: Any, field: str) -> None:
    row = shop()
    answer = api.post(f"environments/{row['id']}?action=upgrade", {**body(), **sent})
    assert (answer.status, answer["fieldName"]) == (422, field)
    assert shop()["state"] == "active"
    assert api.get(f"environments/{row['id']}/revisions")["data"][0]["number"] == 1


def test_a_revision_that_is_not_there(api: ApiClient, shop: Any) -> None:
    answer = api.post(f"environments/{shop()['id']}?action=returntorevision", {"revision": 7})
    assert (answer.status, answer["fieldName"]) == (422, "revision")


def test_an_upgrade_is_forced_and_goes_on_in_the_batches_that_were_sent(
    api: ApiClient, shop: Any, run_loop: Callable[[], None]
) -> None:
    row = shop()
    containers = {each["id"] for each in api.get("containers?removed_null=1")["data"]}
    same = {"dockerCompose": BEFORE, "environment": {"WORD": "hunter2-hunter2"}, "services": ["web"]}
    assert api.post(f"environments/{row['id']}?action=previewupgrade", same)["services"][0]["change"] == "unchanged"
    forced = {**same, "force": True, "batchSize": 3, "intervalMillis": 700}
    preview = api.post(f"environments/{row['id']}?action=previewupgrade", forced)
    (step,) = [each for each in preview["services"] if each["change"] == "upgrade"]
    assert (step["name"], step["images"]) == ("web", ["bb:local"])
    assert (step["strategy"]["batchSize"], step["strategy"]["intervalMillis"]) == (3, 700)
    assert api.post(f"environments/{row['id']}?action=upgrade", forced).status == 202
    row = shop()
    assert row["state"] == "upgraded"
    assert api.post(f"environments/{row['id']}?action=finishupgrade").status == 202
    assert shop()["state"] == "active"
    left = {each["id"] for each in api.get("containers?removed_null=1")["data"]}
    assert len(left) == len(containers) == 2
    assert len(left & containers) == 1


@pytest.mark.parametrize(("field", "value"), [("batchSize", 0), ("batchSize", 10**9), ("intervalMillis", -1)])
def test_batches_that_are_none_are_refused(api: ApiClient, shop: Any, field: str, value: int) -> None:
    row = shop()
    sent = {**body(), field: value}
    refused = api.post(f"environments/{row['id']}?action=upgrade", sent)
    assert (refused.status, shop()["state"]) == (422, "active")


def test_a_preview_says_which_sidekicks_follow_what_changes(api_of: Any, lab: Environment, host: Host) -> None:
    file = """
web: {image: 'IMAGE', labels: {io.rancher.sidekicks: 'logger, job'}}
logger: {image: 'bb:local', net: 'container:web'}
job: {image: 'bb:local'}
"""
    api = api_of("bob").inside(lab)
    made = api.post("environments", {"name": "units", "dockerCompose": file.replace("IMAGE", "bb:local")})
    path = f"environments/{made['id']}?action=previewupgrade"
    (step,) = api.post(path, {"dockerCompose": file.replace("IMAGE", "bb:new")})["services"]
    groups = {"changed": [], "following": ["logger"], "added": [], "removed": [], "staying": ["job"]}
    assert step["replaced"] == {"primary": True, **groups}
