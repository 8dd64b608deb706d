"""The network of the engine that a host's containers are connected to: made by the portal, and by the agent alike."""

from __future__ import annotations

from apps.drivers.base import NetworkSpec
from apps.network.models import EnvironmentNetwork, HostNetwork

NETWORK, BRIDGE = "corral", "corral0"


def network_spec(network: EnvironmentNetwork, row: HostNetwork) -> NetworkSpec:
    """Its own pool is the gateway alone, so that the engine never chooses an address by itself."""
    gateway = network.plan.gateway(row.number or 0)
    return NetworkSpec(subnet=network.subnet, gateway=gateway, ip_range=f"{gateway}/32", bridge=BRIDGE, mtu=network.mtu)
