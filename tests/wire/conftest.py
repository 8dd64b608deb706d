"""People, their API keys and clients, and a simulated host."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache

from apps.accounts.services import key_create
from apps.control.reconcile import reconcile_until_idle
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create, environment_key_create
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.wire.api_client import (
    FOREIGN_ENGINE,
    LAB_ENGINE,
    ApiClient,
    run_until_idle,
)


@pytest.fixture(autouse=True)
def clean_state(settings: Any) -> Any:
    """Reset rate limits and simulated engines."""
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    cache.clear()
    yield
    for url in (LAB_ENGINE, FOREIGN_ENGINE):
        registry.discard_driver(Endpoint(url))
    engine.reset_engines()


@pytest.fixture
def api_of(people: Any) -> Callable[[str], ApiClient]:
    """The API as somebody, with a key of their account; `nobody` has none."""

    def make(name: str) -> ApiClient:
        if name == "nobody":
            return ApiClient()
        user = getattr(people, name)
        made = key_create(actor=actor_of_user(user, "api"), account=user, name="test")
        reconcile_until_idle()
        return ApiClient(f"{made.key.public_value}:{made.secret}")

    return make


@pytest.fixture
def key_of(people: Any, lab: Environment) -> Callable[..., ApiClient]:
    """The API with a key of the lab that somebody created."""

    def make(name: str = "alice", environment: Environment | None = None) -> ApiClient:
        actor = actor_of_user(getattr(people, name), "api")
        made = environment_key_create(actor=actor, environment=environment or lab, name="test")
        reconcile_until_idle()
        return ApiClient(f"{made.key.public_value}:{made.secret}")

    return make


@pytest.fixture
def api(key_of: Callable[..., ApiClient]) -> ApiClient:
    """The API with a key of the lab, created by its owner."""
    return key_of("alice")


@pytest.fixture
def host(people: Any, lab: Environment) -> Host:
    """The lab's simulated host."""
    row = host_create(actor=actor_of_user(people.root, "api"), environment=lab, url=LAB_ENGINE, name="lab-1")
    reconcile_until_idle()
    return row


@pytest.fixture
def foreign_environment(people: Any) -> Environment:
    """Mallory's own environment, without any member of the lab."""
    row = environment_create(actor=actor_of_user(people.mallory, "api"), name="Far")
    reconcile_until_idle()
    return row


@pytest.fixture
def stack(api: ApiClient, host: Host) -> dict[str, Any]:
    """An active stack of the lab: a service at scale 2, linked to a second one."""
    made = api.post("environments", {"name": "web"}).body
    config = {"imageUuid": "docker:sim/nginx:1", "environment": {"SECRET": "hush"}, "ports": ["80"]}
    body = {"name": "front", "environmentId": made["id"], "launchConfig": config, "scale": 2, "startOnCreate": True}
    front = api.post("services", body).body
    back = api.post("services", {**body, "name": "back", "scale": 1}).body
    run_until_idle()
    linked = api.post(f"services/{front['id']}?action=addservicelink", {"serviceLink": {"serviceId": back["id"]}})
    assert linked.status == 202, linked.body
    return {"stack": made["id"], "front": front["id"], "back": back["id"]}
