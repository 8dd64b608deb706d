"""Containers on a host with a working managed network: their address, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.models import Address, HostNetwork

FIRST, SECOND = "10.42.4.0", "10.42.4.1"
MAC = "02:42:0a:2a:04:00"


@pytest.fixture
def part(host: Host) -> HostNetwork:
    """The host's part of the network, which works."""
    HostNetwork.objects.filter(pk=host.pk).update(state="active", reason="")
    return HostNetwork.objects.get(pk=host.pk)


@pytest.fixture
def make(lab: Environment, part: HostNetwork, actor_of: Any) -> Callable[..., Container]:
    """Makes a container and runs the loop."""

    def make(name: str = "web", **fields: Any) -> Container:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})
        row = container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)
        reconcile_until_idle()
        return reload(row)

    return make


def reload(row: Container) -> Container:
    return Container.all_objects.get(pk=row.pk)


def inspect(sim: SimulatedDriver, row: Container) -> dict[str, Any]:
    return dict(sim.inspect(row.external_id).raw)


def test_a_container_gets_the_next_address_and_the_engine_shows_it(make: Any, sim: SimulatedDriver):
    row = make(dnsSearch=["example.com"], dns=["10.0.0.2"])
    assert row.message == ""
    shown = inspect(sim, row)
    assert shown["NetworkSettings"]["Networks"]["corral"] == {
        "IPAddress": FIRST,
        "Aliases": None,
        "IPAMConfig": {"IPv4Address": FIRST},
        "MacAddress": MAC,
    }
    assert shown["Config"]["MacAddress"] == MAC
    assert shown["HostConfig"]["Dns"] == ["169.254.169.250", "10.0.0.2"]
    assert shown["HostConfig"]["DnsSearch"] == ["rancher.internal", "example.com"]
    assert (row.display_state, row.address, make("db").address) == ("running", FIRST, SECOND)


def test_the_document_s_columns_are_filled(make: Any, host: Host):
    row = make()
    found = Address.objects.get(holder=row.pk)
    assert (found.address, found.host, found.container, found.engine_id) == (FIRST, host, row.uuid, row.external_id)


def test_the_engine_s_network_gives_no_address_by_itself(make: Any, sim: SimulatedDriver):
    make()
    network = sim._core.networks.get("corral")
    assert network.pool == {"Subnet": "10.42.0.0/16", "IPRange": "10.42.0.1/32", "Gateway": "10.42.0.1"}
    assert network.options["com.docker.network.bridge.name"] == "corral0"
    assert network.options["com.docker.network.driver.mtu"] == "1370"


def test_the_label_keeps_the_name_server_away(make: Any, sim: SimulatedDriver):
    shown = inspect(sim, make(labels={"io.rancher.container.dns": "false"}, dnsSearch=["example.com"]))
    assert "Dns" not in shown["HostConfig"]
    assert shown["HostConfig"]["DnsSearch"] == ["example.com"]


def test_an_address_is_given_back_and_rests_for_a_minute(make: Any, actor_of: Any):
    row = make()
    container_act(row, "remove", actor=actor_of("bob"))
    reconcile_until_idle()
    freed = Address.objects.get(address=FIRST)
    assert (freed.holder, freed.engine_id, freed.is_quarantined) == (None, "", True)
    with pytest.raises(Invalid, match="gateways"):
        make("bad", requestedIpAddress="10.42.0.9")
    assert make("db").address == SECOND
    Address.objects.filter(address=FIRST).update(freed_at=timezone.now() - timedelta(minutes=2))
    assert not Address.objects.get(address=FIRST).is_quarantined


def test_a_stop_and_a_start_keep_the_address(make: Any, actor_of: Any):
    row = make()
    for action in ("stop", "start", "restart"):
        container_act(reload(row), action, actor=actor_of("bob"))
        reconcile_until_idle()
    assert (reload(row).display_state, reload(row).address) == ("running", FIRST)


def test_elsewhere_everything_is_as_it_was(make: Any, part: HostNetwork, sim: SimulatedDriver, lab: Environment):
    HostNetwork.objects.filter(pk=part.pk).update(state="error", reason="no VXLAN")
    row = make()
    assert row.address.startswith("172.")
    assert list(inspect(sim, row)["NetworkSettings"]["Networks"]) == [f"corral-{str(lab.uuid)[:13]}"]
    assert not Address.objects.exists()


def test_a_host_that_starts_its_network_is_waited_for_but_not_for_ever(make: Any, part: HostNetwork):
    HostNetwork.objects.filter(pk=part.pk).update(state="starting", state_since=timezone.now())
    row = make()
    assert (row.external_id, row.message) == ("", "Waits for the managed network of h1.")
    HostNetwork.objects.filter(pk=part.pk).update(state_since=timezone.now() - timedelta(minutes=1))
    reconcile_one("container", row.pk)
    assert reload(row).address.startswith("172.")


@pytest.mark.parametrize(
    "how", [{"requestedIpAddress": "10.42.9.9"}, {"labels": {"io.rancher.container.requested_ip": "10.42.9.9"}}]
)
def test_an_address_can_be_asked_for(make: Any, how: dict[str, Any]):
    assert make(**how).address == "10.42.9.9"
    with pytest.raises(Invalid, match=r"10\.42\.9\.9 is in use by web") as refused:
        make("db", **how)
    assert refused.value.field in {"requestedIpAddress", "labels"}


def test_an_address_is_asked_for_in_vain_where_there_is_no_managed_network(make: Any, part: HostNetwork):
    HostNetwork.objects.filter(pk=part.pk).update(state="error", reason="wireguard-go is missing")
    row = make(requestedIpAddress="10.42.9.9")
    assert "wireguard-go is missing" in row.message
    with pytest.raises(Invalid, match="networkMode managed"):
        make("db", requestedIpAddress="10.42.9.10", networkMode="host")


def test_a_network_of_the_engine_that_is_another_one_is_made_anew_when_it_is_empty(make: Any, sim: SimulatedDriver):
    sim._core.networks.make("corral", {})
    assert make().address == FIRST
