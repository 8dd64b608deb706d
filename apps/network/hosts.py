"""The hosts of a managed network: each has a number from when it joins until it leaves, and an address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.core.events import row_changed
from apps.drivers.base import EngineContainer
from apps.hosts.models import Host
from apps.hosts.selectors import address_of
from apps.hosts.workloads import HostWorkload
from apps.network.addressing import free_number
from apps.network.check_services import check_new_host
from apps.network.environment_networks import count_change, lock_network
from apps.network.models import ACTIVE, FAILED, OFF, STARTING, HostNetwork
from apps.network.reports import HostReport

NO_AGENT = (
    "This host has neither an agent nor a system container, and only these can connect it to other hosts."
    " Its containers reach each other."
)
TOO_MANY = "All {most} numbers for hosts in {subnet} are in use. Remove hosts, or choose a larger subnet."
_NO_ADDRESS = "Other hosts cannot reach it: "


class NetworkWorkload(HostWorkload):
    """The managed network as something that lives on hosts."""

    def on_host_scanned(self, host: Host, containers: Sequence[EngineContainer]) -> None:  # noqa: ARG002 - the protocol's
        """Let a new host take part, and others follow one that moved."""
        ensure_host_network(host, "peers")  # of two hundred hosts, 25 kB that no scan needs

    def on_host_removed(self, host: Host) -> int:
        """Give its number back."""
        if HostNetwork.objects.filter(pk=host.pk).delete()[0]:
            count_change(host.environment_id)
        return 0


def ensure_host_network(host: Host, *deferred: str) -> HostNetwork:
    """The host's part of its environment's network, with the address that the host has now; without `deferred`."""
    row: HostNetwork | None = HostNetwork.objects.filter(pk=host.pk).defer(*deferred).first()
    if row is None or row.environment_id != host.environment_id:
        return _join(host, is_elsewhere=row is not None)
    address = underlay_address(host)
    if address != row.address:
        row.address = address
        HostNetwork.objects.filter(pk=row.pk).update(address=address)
        count_change(row.environment_id)
    if not host.takes_documents and row.number is not None:
        _set_state(row, OFF, NO_AGENT)
    elif not address:
        _set_state(row, FAILED, missing_address(host))
    elif row.reason == NO_AGENT or row.reason.startswith(_NO_ADDRESS):
        _set_state(row, STARTING, "")
    return row


def _join(host: Host, *, is_elsewhere: bool) -> HostNetwork:
    """Take part in the network of its environment; `is_elsewhere` where it has a row of another one."""
    with transaction.atomic():
        network = lock_network(host.environment_id)
        others = HostNetwork.objects.filter(environment=network.pk).exclude(pk=host.pk)
        most = network.plan.most_hosts
        number = free_number({each or 0 for each in others.values_list("number", flat=True)}, most)
        state, reason = _first_state(host)
        if number is None:
            state, reason = OFF, TOO_MANY.format(most=most, subnet=network.subnet)
        values = {
            "environment_id": network.pk,
            "number": number,
            "address": underlay_address(host),
            "state": state,
            "reason": reason,
        }
        if is_elsewhere:
            row: HostNetwork = HostNetwork.objects.update_or_create(host=host, defaults=values)[0]
        else:  # one statement; an upsert, since a scan and a report may have it join at the same time
            row = HostNetwork(host=host, **values)
            HostNetwork.objects.bulk_create(
                [row], update_conflicts=True, unique_fields=["host"], update_fields=[*values]
            )
        count_change(network.pk)
        return row


def _first_state(host: Host) -> tuple[str, str]:
    if not host.takes_documents:
        return OFF, NO_AGENT
    return (STARTING, "") if underlay_address(host) else (FAILED, missing_address(host))


def underlay_address(host: Host) -> str:
    """The IPv4 address at which other hosts reach it; empty when it has none."""
    try:
        return str(IPv4Address(address_of(host)))
    except AddressValueError:
        return ""


def missing_address(host: Host) -> str:
    """What is wrong with the address of a host that others cannot reach there."""
    return f"{_NO_ADDRESS}{address_of(host)[:100]!r} is not an IPv4 address. Set its address on its page."


def take_report(host: Host, report: HostReport) -> None:
    """Keep what a host's agent says of its part; other hosts learn of a new key at once."""
    row = ensure_host_network(host)
    changes: dict[str, Any] = {
        "public_key": report.public_key,
        "conflict": report.conflict,
        "peers": report.peers,
    }
    was_active, is_new_key = row.is_active, report.public_key != row.public_key
    is_news = is_new_key or report.conflict != row.conflict or report.reachable != HostReport.reachable_in(row.peers)
    if any(getattr(row, name) != value for name, value in changes.items()):  # what is said again is not written again
        HostNetwork.objects.filter(pk=row.pk).update(**changes, reported_at=timezone.now())
    _set_state(row, report.state, report.reason)
    if is_news:
        row_changed(row.environment_id, "host", row.pk)
    if is_new_key:
        count_change(row.environment_id)
    if report.state == ACTIVE and (is_news or not was_active):
        check_new_host(host)


def switch_off(host: Host, reason: str) -> None:
    """Note that the host's agent cannot take part, and why."""
    _set_state(ensure_host_network(host), OFF, reason[:300])


def _set_state(row: HostNetwork, state: str, reason: str) -> None:
    if (state, reason) == (row.state, row.reason):
        return
    changes: dict[str, Any] = {"state": state, "reason": reason}
    if state != row.state:
        changes["state_since"] = timezone.now()
    HostNetwork.objects.filter(pk=row.pk).update(**changes)
    if OFF in {row.state, state} and state != row.state:  # it is nobody's peer while it is off
        count_change(row.environment_id)
    row.state, row.reason = state, reason
    row_changed(row.environment_id, "host", row.pk)
