"""An environment of several hosts without a portal: its documents, and containers with addresses in its network."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
import time
from collections.abc import Iterator
from typing import Any, Self

from tests.fleet.commands import wait_for
from tests.fleet.engine import IMAGE
from tests.fleet.fleet import Fleet
from tests.fleet.network_agent import NetworkAgent

SUBNET = ipaddress.ip_network("10.42.0.0/16")


def mac_of(address: str) -> str:
    return "02:42:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


class Lab:
    """An environment of several hosts: its documents, and containers that get their addresses as the portal would."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.agents = {number: NetworkAgent(host) for number, host in fleet.hosts.items()}
        self.addresses: dict[str, int] = {}
        self.keys: dict[int, str] = {}
        self.settings: dict[str, Any] = {"encryption": "none", "mtu": 1450, "policy": {"mode": "all"}}

    @classmethod
    @contextlib.contextmanager
    def of(cls, fleet: Fleet) -> Iterator[Self]:
        """The fleet's hosts as one environment, their agents running."""
        made = cls(fleet)
        for engine in fleet.engines.values():  # which host has which address was another portal's choice
            engine.remove_network("corral")
        for agent in made.agents.values():
            agent.start()
        made.push()
        yield made
        for agent in made.agents.values():
            agent.end()

    def document(self, number: int, members: set[int]) -> dict[str, Any]:
        encrypted = self.settings["encryption"] == "wireguard"
        return {
            "environment": "e1",
            "subnet": str(SUBNET),
            "gateway": str(SUBNET[number]),
            "network": "corral",
            "bridge": "corral0",
            "port": "corral-vx",
            "vni": 42,
            "udpPort": 4789,
            **self.settings,
            "address": self.fleet.hosts[number].address,
            "wireguard": {"port": 51820, "address": f"10.43.0.{number}/16"} if encrypted else None,
            "peers": [self._peer(each) for each in sorted(members - {number})],
            "containers": [{"address": address, "mac": mac_of(address)} for address in self.addresses],
        }

    def _peer(self, number: int) -> dict[str, Any]:
        host = self.fleet.hosts[number]
        return {
            "host": host.name,
            "name": host.name,
            "address": host.address,
            "publicKey": self.keys.get(number, ""),
            "tunnelAddress": f"10.43.0.{number}",
            "gateway": str(SUBNET[number]),
        }

    def push(self, *members: int, **settings: Any) -> None:
        """Give every host the document of an environment with these hosts, all unless named, and wait."""
        self.settings |= settings
        present = set(members or self.agents)
        for number in present:
            self.agents[number].put(self.document(number, present))
        for number in present:
            self.agents[number].wait_until()

    def encrypt(self) -> None:
        """Switch encryption on: keys are reported first, and come back with the next document."""
        self.push(encryption="wireguard", mtu=1370)
        wait_for(lambda: all(agent.status().get("publicKey") for agent in self.agents.values()), "the hosts' keys")
        self.keys = {number: agent.status()["publicKey"] for number, agent in self.agents.items()}
        self.push()

    def run(self, number: int, address: str, **host_config: Any) -> str:
        """A container with this address; its id."""
        self.addresses[address] = number
        api = self.fleet.hosts[number].terminal
        made = api.create_container(
            IMAGE,
            ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"],
            host_config=api.create_host_config(network_mode="corral", **host_config),
            networking_config=api.create_networking_config(
                {"corral": api.create_endpoint_config(ipv4_address=address)}
            ),
            mac_address=mac_of(address),
        )
        api.start(made["Id"])
        return str(made["Id"])

    def stop(self, number: int, container: str) -> None:
        self.fleet.hosts[number].terminal.remove_container(container, force=True)

    def exec(self, number: int, container: str, *command: str) -> tuple[int, str]:
        """The exit code and the output of a command in a container."""
        api = self.fleet.hosts[number].terminal
        made = api.exec_create(container, list(command))
        output = api.exec_start(made["Id"]).decode(errors="replace")
        return api.exec_inspect(made["Id"])["ExitCode"], output

    def ping(self, number: int, container: str, address: str, *options: str) -> bool:
        return self.exec(number, container, "ping", "-c1", "-W1", *options, address)[0] == 0


def show(figure: str) -> None:
    """A figure for whoever reads the log; pytest shows it with `-s`."""
    sys.stdout.write(f"\n{figure}\n")


def until(condition: Any, seconds: float, what: str) -> float:
    """How long it took until the condition held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, what
    return time.monotonic() - began
