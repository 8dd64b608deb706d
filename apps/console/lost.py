"""What a service does about lost hosts: its part of the form, and what is going to happen next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.containers.models import Container
from apps.hosts.models import Host
from apps.hosts.selectors import gives_up_at, lost_since
from apps.stacks.lost import USUAL, policy_of
from apps.stacks.models import Service


@dataclass(frozen=True, slots=True)
class Outlook:
    """A lost host of a service: silent since when, given up when (None: never)."""

    host: Host
    since: datetime | None
    due: datetime | None


def outlooks(row: Service, containers: Iterable[Container]) -> list[Outlook]:
    """The lost hosts under these containers, read along with them."""
    hosts = {each.host.pk: each.host for each in containers if each.host is not None and each.host.lost_at is not None}
    return [Outlook(host, lost_since(host), gives_up_at(host, row.lost_after)) for _key, host in sorted(hosts.items())]


def form(row: Service, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the form shows: what was sent, else what is in force."""
    return {
        "policy": sent.get("lost_policy") or policy_of(row.lost_after),
        "seconds": sent.get("lost_seconds") or row.lost_after or USUAL,
    }


def sent(values: Mapping[str, str]) -> tuple[str | None, Any]:
    """The policy and its seconds as the form sent them; a text that is no number is left for the service to refuse."""
    text = values.get("lost_seconds", "").strip()
    seconds: Any = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text or None
    policy = values.get("lost_policy") or None
    return policy, seconds if policy == "reschedule" else None
