"""How many containers of a service do their work, of how many, whatever kind it is, in API and console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.wire.api_client import ApiClient

GLOBAL = {"io.rancher.scheduler.global": "true"}
ONCE = {"io.rancher.container.start_once": "true"}


@pytest.fixture
def hosts(host: Host, lab: Environment, sim: SimulatedDriver, run_loop: Callable[[], None]) -> list[SimulatedDriver]:
    """The engines of three hosts."""
    for number in (2, 3):
        registry.discard_driver(Endpoint(f"sim://more{number}"))
        host_create(actor=None, environment=lab, url=f"sim://more{number}", name=f"lab-{number}")
    run_loop()
    engines = [sim, *(simulated_engine(f"more{number}") for number in (2, 3))]
    for each in engines:
        each.local_images.add("bb:local")
    return engines


@pytest.fixture
def serve(api_of: Any, lab: Environment, run_loop: Callable[[], None]) -> Callable[..., str]:
    """Makes a running service; its id."""
    api: ApiClient = api_of("alice").inside(lab)
    stack = api.post("environments", {"name": "shop"})

    def make(labels: dict[str, str], **more: Any) -> str:
        config = {"imageUuid": "docker:bb:local", "labels": labels}
        body = {"name": "web", "environmentId": stack["id"], "startOnCreate": True, "launchConfig": config}
        made = api.post("services", {**body, **more})
        run_loop()
        return str(made["id"])

    return make


@pytest.fixture
def shown(api_of: Any, people: Any, lab: Environment) -> Callable[[str], tuple[int, int]]:
    """How many of how many the API says, which have to be what the console's list shows."""

    def look(service: str) -> tuple[int, int]:
        row = api_of("alice").inside(lab).get(f"services/{service}")
        client = Client()
        client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
        page = client.get(f"/env/{lab.pk}/stacks").content.decode()
        found = (row["runningScale"], row["targetScale"])
        assert f"<b>{found[0]}</b>&thinsp;/&thinsp;{found[1]}<" in page
        overview = client.get(f"/env/{lab.pk}/services/{service.removeprefix('1s')}").content.decode()
        assert f"<b>{found[0]}</b> of {found[1]}" in overview
        return found

    return look


@pytest.mark.usefixtures("hosts")
def test_a_service_on_each_of_three_hosts_is_three_of_three(serve: Callable[..., str], shown: Any):
    assert shown(serve(GLOBAL)) == (3, 3)


def test_jobs_that_ended_well_count_and_those_that_failed_do_not(
    hosts: list[SimulatedDriver], serve: Callable[..., str], shown: Any
):
    service = serve(ONCE, scale=2)
    assert shown(service) == (2, 2)
    engines = {each.name: each for each in hosts}
    for container, code in zip(Container.all_objects.filter(slot__isnull=False).order_by("pk"), (0, 1), strict=True):
        assert container.host is not None
        engines[container.host.url.removeprefix("sim://")].crash(container.external_id, code)
        reconcile_one("container", container.pk)
    assert shown(service) == (1, 2)


@pytest.mark.usefixtures("hosts")
def test_sidekicks_are_not_counted(serve: Callable[..., str], shown: Any):
    sidekick = {"name": "logger", "imageUuid": "docker:bb:local"}
    assert shown(serve({}, scale=2, secondaryLaunchConfigs=[sidekick])) == (2, 2)
