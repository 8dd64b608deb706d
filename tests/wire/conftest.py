"""People, their keys, a simulated host and callers of the API for the wire's tests."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from apps.accounts.services import key_create
from apps.control.reconcile import KINDS, settle
from apps.core.ids import wire_id
from apps.drivers import registry, simulated
from apps.drivers.base import Endpoint
from apps.environments.access import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create, environment_key_create
from apps.hosts.models import Host
from apps.hosts.services import host_create

OWN = "sim://lab"
FOREIGN = "sim://far"


@dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Any

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.body["data"]]


@dataclass
class Api:
    """One caller of the API: an account's or environment's key (or nobody), and the project it speaks of."""

    key: str = ""
    project: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def inside(self, environment: Environment | str) -> Api:
        project = environment if isinstance(environment, str) else wire_id("a", environment.pk)
        return Api(self.key, project, self.headers)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        if path.startswith("http"):
            path = "/" + path.split("/", 3)[3]
        elif not path.startswith("/"):
            path = f"/v1/projects/{self.project}/{path}" if self.project else f"/v1/{path}"
        sent = {"Accept": "application/json", **self.headers, **headers}
        if self.key:
            sent["Authorization"] = "Basic " + base64.b64encode(self.key.encode()).decode()
        data = body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body)
        kind = sent.pop("Content-Type", "application/json")
        _client.cookies.clear()
        found = _client.generic(method, path, data, content_type=kind, headers=sent)
        return _answer(found)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None) -> Answer:
        return self.call("PUT", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


def calm() -> None:
    """Run the loop as if time flew, until nothing is on its way."""
    for _round in range(8):
        settle()
        busy = 0
        for kind in KINDS.values():
            rows = kind.model.all_objects.filter(shown__in=kind.model.LIFECYCLE.transitional)
            busy += rows.update(next_look=timezone.now())
        if not busy:
            return


_client = Client()  # one for all: it loads the middleware once


def _answer(found: Any) -> Answer:
    is_json = found.headers.get("Content-Type", "").startswith("application/json")
    return Answer(found.status_code, json.loads(found.content) if is_json and found.content else None, found.headers)


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
