"""The lost-host policy of a service: its form fields, and the lost hosts with their deadlines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.containers.models import Container
from apps.hosts.models import Host
from apps.hosts.selectors import lost_since, reschedules_at
from apps.stacks.lost_host_policy import DEFAULT_SECONDS, policy_name
from apps.stacks.models import Service


@dataclass(frozen=True, slots=True)
class LostHost:
    """A lost host of a service: since when, and when its containers are rescheduled (None: never)."""

    host: Host
    since: datetime | None
    abandon_at: datetime | None


def lost_hosts_of(row: Service, containers: Iterable[Container]) -> list[LostHost]:
    """The lost hosts of these containers, whose hosts must be loaded already."""
    hosts = {each.host.pk: each.host for each in containers if each.host is not None and each.host.lost_at is not None}
    return [
        LostHost(host, lost_since(host), reschedules_at(host, row.lost_after)) for _key, host in sorted(hosts.items())
    ]


def lost_policy_form(row: Service, sent: Mapping[str, str]) -> dict[str, Any]:
    """The values of the form: what was submitted, else the current policy."""
    return {
        "policy": sent.get("lost_policy") or policy_name(row.lost_after),
        "seconds": sent.get("lost_seconds") or row.lost_after or DEFAULT_SECONDS,
    }


def parse_lost_policy(values: Mapping[str, str]) -> tuple[str | None, Any]:
    """Policy and seconds as submitted; a text that is not a number is left for the service to refuse."""
    text = values.get("lost_seconds", "").strip()
    seconds: Any = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text or None
    policy = values.get("lost_policy") or None
    return policy, seconds if policy == "reschedule" else None
