"""Newer images on the wire: the type, a service's field and policy, and the two actions."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from apps.stacks.models import Service
from apps.stacks.updates.models import ImageUpdate, RegistryTag
from tests.wire.api_client import ApiClient, run_until_idle

OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
WINDOW = {"mode": "upgrade", "days": "MON-FRI", "from": "02:00", "to": "05:00", "timeZone": "Europe/Berlin"}


@pytest.fixture
def web(api: ApiClient, host: Any) -> dict[str, Any]:
    """A running service, as v1 shows it."""
    stack = api.post("environments", {"name": "shop"})
    body = {"name": "web", "environmentId": stack["id"], "startOnCreate": True}
    body |= {"launchConfig": {"imageUuid": "docker:bb:local"}, "imageUpdatePolicy": {"mode": "notify"}}
    made = api.post("services", body)
    run_until_idle()
    shown: dict[str, Any] = made.body
    return shown


@pytest.fixture
def update(web: dict[str, Any]) -> ImageUpdate:
    row = Service.all_objects.get(name="web")
    tag = RegistryTag.objects.create(domain="docker.io", repository="library/bb", tag="local", digest=NEW)
    made: ImageUpdate = ImageUpdate.objects.create(
        environment=row.environment,
        service=row,
        image="bb:local",
        tag=tag,
        state="newer",
        running=OLD,
        digest=NEW,
        since=timezone.now(),
    )
    return made


def test_a_newer_image_is_a_resource_and_a_word_on_its_service(
    api: ApiClient, web: dict[str, Any], update: ImageUpdate
):
    row = api.get("imageupdates")["data"][0]
    assert (row["type"], row["state"], row["image"]) == ("imageUpdate", "newer", "bb:local")
    assert (row["runningDigest"], row["digest"], row["serviceId"]) == (OLD, NEW, web["id"])
    assert (row["policy"], row["transitioning"]) == ({"type": "imageUpdatePolicy", "mode": "notify"}, "no")
    assert api.get(f"services/{web['id']}")["imageUpdate"] == "newer"
    assert api.get(f"services/{web['id']}/imageupdates")["data"][0]["id"] == row["id"]


def test_a_policy_is_kept_as_it_is_sent_until_it_is_taken_away(api: ApiClient, web: dict[str, Any]):
    path = f"services/{web['id']}"
    assert api.get(path)["imageUpdatePolicy"]["mode"] == "notify"
    sent = api.put(path, {"imageUpdatePolicy": WINDOW})["imageUpdatePolicy"]
    assert {name: sent[name] for name in WINDOW} == WINDOW
    assert api.put(path, {"scale": 1})["imageUpdatePolicy"]["days"] == "MON-FRI", "what is not sent stays"
    assert api.put(path, {"imageUpdatePolicy": None})["imageUpdatePolicy"] is None


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"mode": "upgrade", "from": "25:00", "to": "05:00"}, "imageUpdatePolicy.from"),
        ({"mode": "upgrade", "from": "02:00", "days": "XYZ"}, "imageUpdatePolicy.days"),
        ({"mode": "upgrade", "from": "02:00", "timeZone": "Mars"}, "imageUpdatePolicy.timeZone"),
        ({"mode": "sometimes"}, "imageUpdatePolicy.mode"),
    ],
)
def test_a_policy_that_is_wrong_is_refused_with_its_field(
    api: ApiClient, web: dict[str, Any], sent: dict[str, Any], field: str
):
    refused = api.put(f"services/{web['id']}", {"imageUpdatePolicy": sent})
    assert (refused.status, refused["fieldName"]) == (422, field)
    assert api.get(f"services/{web['id']}")["imageUpdatePolicy"]["mode"] == "notify"


def test_registries_are_asked_again_on_request_and_the_service_is_upgraded(
    api: ApiClient, web: dict[str, Any], update: ImageUpdate
):
    row = api.get("imageupdates")["data"][0]
    assert api.post(row["actions"]["check"], {}).status == 202
    assert RegistryTag.objects.get().requested_at is not None
    refused = api.post(row["actions"]["check"], {})
    assert refused.status == 429
    service = api.get(f"services/{web['id']}")
    assert api.post(service["actions"]["upgradeimages"], {})["state"] == "upgrading"
    changed = Service.all_objects.get(name="web")
    assert (changed.revision, changed.image_pins) == (2, {"bb:local": NEW})


def test_without_a_newer_image_the_upgrade_is_refused(api: ApiClient, web: dict[str, Any]):
    service = api.get(f"services/{web['id']}")
    refused = api.post(service["actions"]["upgradeimages"], {})
    assert refused.status in {409, 422}
    assert "No newer image of web is known" in refused["message"]
