"""Who answers the questions of containers in their host's own network."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.services import container_create
from apps.control.reconcile import reconcile_until_idle
from apps.core.models import Setting
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.models import HostNetwork
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create

LABEL = "io.rancher.container.dns"
HOST_MODE = {"imageUuid": "docker:bb:local", "networkMode": "host", "dns": ["10.0.0.2"], "dnsSearch": ["example.com"]}


def resolver_of(sim: SimulatedDriver, lab: Environment, actor_of: Any, **fields: Any) -> tuple[Any, Any]:
    config = LaunchConfig.from_wire({**HOST_MODE, **fields})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    reconcile_until_idle()
    row.refresh_from_db()
    shown = sim.inspect(row.external_id).raw["HostConfig"]
    return shown.get("Dns"), shown.get("DnsSearch")


@pytest.fixture(autouse=True)
def _hosts_network_is_allowed(people: Any) -> None:
    Setting.objects.create(name="host.policy.default", value="permissive")


@pytest.fixture
def part(host: Host) -> HostNetwork:
    HostNetwork.objects.filter(pk=host.pk).update(state="active", reason="")
    return HostNetwork.objects.get(pk=host.pk)


def test_the_label_gives_it_the_agents_server_before_its_own(
    sim: SimulatedDriver, lab: Environment, part: HostNetwork, actor_of: Any
):
    servers, search = resolver_of(sim, lab, actor_of, labels={LABEL: "true"})
    assert (servers, search) == (["169.254.169.250", "10.0.0.2"], ["rancher.internal", "example.com"])


@pytest.mark.parametrize("labels", [{}, {LABEL: "false"}, {LABEL: ""}])
def test_without_the_label_it_keeps_its_own(
    sim: SimulatedDriver, lab: Environment, part: HostNetwork, actor_of: Any, labels: dict[str, str]
):
    assert resolver_of(sim, lab, actor_of, labels=labels) == (["10.0.0.2"], ["example.com"])


def test_where_no_agent_answers_it_keeps_its_own(sim: SimulatedDriver, lab: Environment, host: Host, actor_of: Any):
    assert resolver_of(sim, lab, actor_of, labels={LABEL: "true"}) == (["10.0.0.2"], ["example.com"])


def test_containers_of_services_look_in_their_own_stack_first(
    sim: SimulatedDriver, lab: Environment, part: HostNetwork, actor_of: Any
):
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "networkMode": "host", "labels": {LABEL: "true"}})
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    row: Service = service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, start_on_create=True)
    reconcile_until_idle()
    made = row.slots.get().container
    assert made is not None
    shown = sim.inspect(made.external_id).raw["HostConfig"]
    own = ["shop.rancher.internal", "web.shop.rancher.internal", "rancher.internal"]
    assert (shown["Dns"], shown["DnsSearch"]) == (["169.254.169.250"], own)
