"""A host of the lab with a container of the lab, one of another environment, one of nobody and one of the portal."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from apps.containers.docker_api.calls import parse_docker_request
from apps.containers.docker_api.host_calls import Answer, HostDockerApi
from apps.containers.models import Container
from apps.drivers.base import CreateRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host

SLEEP = ["sh", "-c", "sleep 3600"]


@pytest.fixture
def containers(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any) -> Any:
    """The engine's ids of `mine`, `theirs`, `nobodys` and `system`, and `row`, which is mine."""

    def make(name: str, environment: Environment | None, **labels: str) -> Any:
        body = {"Image": "bb:local", "Cmd": SLEEP, "Env": ["SECRET=hush", "EMPTY"], "Labels": labels}
        key = sim.create(CreateRequest(f"r-{name}", body))
        sim.start(key)
        if environment is None:
            return key, None
        return key, Container.all_objects.create(
            environment=environment, host=host, name=name, external_id=key, desired="running", state="running"
        )

    far = environment_create(actor=actor_of("mallory"), name="Far")
    (mine, row), (theirs, _), (nobodys, _), (system, _) = (
        make("web", lab, team="red"),
        make("theirs", far),
        make("nobodys", None),
        make("system", lab, **{"io.corral.system": "reader"}),
    )
    return SimpleNamespace(mine=mine, theirs=theirs, nobodys=nobodys, system=system, row=row)


@pytest.fixture
def api_as(host: Host, actor_of: Any) -> Callable[[str], HostDockerApi]:
    """The Docker API of the host as somebody."""
    return lambda name: HostDockerApi(host.pk, host.environment_id, lambda: actor_of(name))


@pytest.fixture
def call(api_as: Any) -> Callable[..., Any]:
    """Makes a call as somebody (alice unless said) and returns its answer."""

    def make(method: str, target: str, body: Any = None, *, who: str = "alice") -> Any:
        sent = b"" if body is None else json.dumps(body).encode()
        answer = api_as(who).handle(parse_docker_request(method, target, sent))
        return answer.body if isinstance(answer, Answer) else answer

    return make
