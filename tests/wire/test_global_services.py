"""Why a service that runs on every host that fits has no container, over the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_update
from apps.stacks.models import Service

LABELS = {"io.rancher.scheduler.global": "true", "io.rancher.scheduler.affinity:host_label": "disk=ssd"}
WHY = "No active host has the labels that the service asks for: the label disk=ssd is missing"


@pytest.fixture
def read(api_of: Any, lab: Environment, host: Host, run_loop: Callable[[], None]) -> Callable[[], Any]:
    """The service, which no host has the labels for; calls give it anew, the loop done."""
    api = api_of("bob").inside(lab)
    stack = api.post("environments", {"name": "shop"})
    made = api.post(
        "services",
        {
            "name": "web",
            "environmentId": stack["id"],
            "startOnCreate": True,
            "launchConfig": {"imageUuid": "docker:bb:local", "labels": LABELS},
        },
    )

    def look() -> Any:
        run_loop()
        return api.get(f"services/{made['id']}")

    return look


def test_the_reason_is_said_while_the_service_is_at_rest(read: Callable[[], Any], host: Host, actor_of: Any) -> None:
    row = read()
    assert (row["state"], row["transitioning"], row["currentScale"]) == ("active", "no", 0)
    assert row["transitioningMessage"].startswith(WHY)
    host_update(host, actor=actor_of("alice"), labels={"disk": "ssd"})
    row = read()
    assert (row["currentScale"], row["transitioningMessage"]) == (1, None)


@pytest.mark.parametrize("scale", [0, 3])
def test_another_scale_is_refused_and_the_one_that_is_there_is_not(
    read: Callable[[], Any], api_of: Any, lab: Environment, scale: int
) -> None:
    api, row = api_of("bob").inside(lab), read()
    answer = api.put(f"services/{row['id']}", {"scale": scale})
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, "InvalidOption", "scale")
    assert "one container on each host" in answer["message"]
    assert api.put(f"services/{row['id']}", {"scale": row["scale"], "description": "x"}).status == 200


def test_one_with_another_scale_from_before_takes_it_along_and_goes_back_to_one(
    read: Callable[[], Any], api_of: Any, lab: Environment
) -> None:
    api, row = api_of("bob").inside(lab), read()
    Service.all_objects.update(scale=4)
    assert api.put(f"services/{row['id']}", {"scale": 4, "description": "x"}).status == 200
    assert api.put(f"services/{row['id']}", {"scale": 1}).status == 200
    assert read()["scale"] == 1
