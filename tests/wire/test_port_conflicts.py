"""A port that something else has, on the wire: what waits for it says so, and who has it, as long as it waits."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient, run_until_idle

HELD = "port 8080/tcp is in use by squatter"


@pytest.fixture
def api(api_of: Any, lab: Environment, host: Host, django_capture_on_commit_callbacks: Any) -> ApiClient:
    """Bob's key, in an environment with one host, whose port 8080 a container has."""
    del host
    found: ApiClient = api_of("bob").inside(lab)
    body = {"name": "squatter", "imageUuid": "docker:bb:local", "ports": ["8080:80"], "startOnCreate": True}
    assert found.post("containers", body).status == 201
    with django_capture_on_commit_callbacks(execute=True):
        run_until_idle()
    return found


@pytest.fixture
def settle(django_capture_on_commit_callbacks: Any) -> Any:
    """Runs the loop as often as its waits want it, which keeps what waits waiting."""

    def run() -> None:
        for _round in range(4):
            for kind in (Container, Service):
                kind.all_objects.filter(next_attempt_at__isnull=False).update(
                    next_attempt_at="2000-01-01T00:00:00+00:00"
                )
            with django_capture_on_commit_callbacks(execute=True):
                run_until_idle()

    return run


def test_a_container_says_who_has_its_port_for_as_long_as_it_waits(api: ApiClient, settle: Any):
    body = {"name": "late", "imageUuid": "docker:bb:local", "ports": ["8080:80"], "startOnCreate": True}
    made = api.post("containers", body)
    for _look in range(2):
        settle()
        found = api.get(f"containers/{made['id']}")
        assert HELD in found["transitioningMessage"]
        assert found["transitioning"] in {"yes", "error"}


def test_a_service_says_what_its_containers_wait_for(api: ApiClient, stack: dict[str, str], settle: Any):
    config = {"imageUuid": "docker:bb:local", "ports": ["8080:80"]}
    body = {"name": "gate", "environmentId": stack["stack"], "launchConfig": config, "startOnCreate": True}
    made = api.post("services", body)
    for _look in range(2):
        settle()
        found = api.get(f"services/{made['id']}")
        assert HELD in found["transitioningMessage"]
        assert found["transitioning"] in {"yes", "error"}
    (instance,) = api.get(f"services/{made['id']}/instances")["data"]
    assert HELD in instance["transitioningMessage"]


def test_it_starts_and_says_no_more_once_the_port_is_free(api: ApiClient, stack: dict[str, str], settle: Any):
    config = {"imageUuid": "docker:bb:local", "ports": ["8080:80"]}
    body = {"name": "gate", "environmentId": stack["stack"], "launchConfig": config, "startOnCreate": True}
    made = api.post("services", body)
    settle()
    (squatter,) = api.get("containers?name=squatter")["data"]
    assert api.delete(f"containers/{squatter['id']}").status == 200
    settle()
    found = api.get(f"services/{made['id']}")
    assert (found["state"], found["transitioning"]) == ("active", "no")
    assert "8080" not in (found["transitioningMessage"] or "")
