"""Hosts with agents that joined the network of an environment, and what these report of its checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.check_document import CheckDocumentSource
from apps.network.document import NetworkDocumentSource
from apps.network.hosts import ensure_host_network
from corral_agent.simulated.network import SimulatedNetworkHandler
from corral_agent.simulated.preflight import SimulatedPreflightHandler


def key(number: int) -> str:
    return SimulatedNetworkHandler(str(number)).status()["publicKey"]


def add_host(lab: Environment, number: int, address: str = "") -> Host:
    uuid = uuid4()
    row: Host = Host.all_objects.create(
        environment=lab, uuid=uuid, url=f"agent://{uuid}", name=f"h{number}", desired="active", state="active",
        address=address or f"192.168.0.{number}",
    )  # fmt: skip
    ensure_host_network(row)
    return row


def join(lab: Environment, number: int) -> Host:
    """A host whose agent has just reported that its part of the network is active."""
    host = add_host(lab, number)
    status = {"state": "active", "reason": "", "publicKey": key(number), "peers": {}}
    NetworkDocumentSource().on_status(host.pk, status)
    return host


def answer(*hosts: Host, change: Callable[[dict[str, Any]], None] = lambda _status: None) -> None:
    """Have the agents take part in the check that their documents name, and report."""
    for host in hosts:
        agent = SimulatedPreflightHandler()
        agent.apply(json.loads(json.dumps({**CheckDocumentSource().build(host.pk), "version": 1})))
        status = agent.status()
        change(status)
        CheckDocumentSource().on_status(host.pk, status)
