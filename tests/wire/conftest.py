"""People, their keys, a simulated host and callers of the API for the wire's tests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache

from apps.accounts.services import key_create
from apps.control.reconcile import settle
from apps.drivers import registry, simulated
from apps.drivers.base import Endpoint
from apps.environments.access import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create, environment_key_create
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.wire.callers import FOREIGN, OWN, Api, calm


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> Any:
    """No throttle left over from the test before, no simulated engine either."""
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    cache.clear()
    yield
    for url in (OWN, FOREIGN):
        registry.forget(Endpoint(url))
    simulated.reset()


@pytest.fixture
def api_of(people: Any) -> Callable[[str], Api]:
    """The API as somebody, through a key of their account; `nobody` has none."""

    def make(name: str) -> Api:
        if name == "nobody":
            return Api()
        user = getattr(people, name)
        made = key_create(actor=actor_of_user(user, "api"), account=user, name="test")
        settle()
        return Api(f"{made.key.public_value}:{made.secret}")

    return make


@pytest.fixture
def key_of(people: Any, lab: Environment) -> Callable[..., Api]:
    """The API through a key of the lab that somebody made."""

    def make(name: str = "alice", environment: Environment | None = None) -> Api:
        actor = actor_of_user(getattr(people, name), "api")
        made = environment_key_create(actor=actor, environment=environment or lab, name="test")
        settle()
        return Api(f"{made.key.public_value}:{made.secret}")

    return make


@pytest.fixture
def api(key_of: Callable[..., Api]) -> Api:
    """The API through a key of the lab made by its owner."""
    return key_of("alice")


@pytest.fixture
def host(people: Any, lab: Environment) -> Host:
    """The lab's simulated host."""
    row = host_create(actor=actor_of_user(people.root, "api"), environment=lab, url=OWN, name="lab-1")
    settle()
    return row


@pytest.fixture
def far(people: Any) -> Environment:
    """Mallory's own environment, foreign to everybody of the lab."""
    row = environment_create(actor=actor_of_user(people.mallory, "api"), name="Far")
    settle()
    return row


@pytest.fixture
def stack(api: Api, host: Host) -> dict[str, Any]:
    """A stack of the lab with one service at scale 2, linked to a second one, all up."""
    made = api.post("environments", {"name": "web"}).body
    config = {"imageUuid": "docker:sim/nginx:1", "environment": {"SECRET": "hush"}, "ports": ["80"]}
    body = {"name": "front", "environmentId": made["id"], "launchConfig": config, "scale": 2, "startOnCreate": True}
    front = api.post("services", body).body
    back = api.post("services", {**body, "name": "back", "scale": 1}).body
    calm()
    linked = api.post(f"services/{front['id']}?action=addservicelink", {"serviceLink": {"serviceId": back["id"]}})
    assert linked.status == 202, linked.body
    return {"stack": made["id"], "front": front["id"], "back": back["id"]}
