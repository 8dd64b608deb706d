"""Whether the new containers of an upgrade can start while those that they replace still run."""

from __future__ import annotations

from collections.abc import Sequence

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import is_global
from apps.containers.launch.values import fixed_ports
from apps.containers.managed_network import requested_address
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.core.plurals import counted
from apps.hosts.models import Host
from apps.stacks.goal import host_rules
from apps.stacks.models import Service, Slot
from apps.stacks.sidekicks import Sidekick


def check_start_first(
    row: Service, config: LaunchConfig, sidekicks: Sequence[Sidekick], *, retains_addresses: bool
) -> None:
    """Raise `Invalid` at `startFirst` where the new containers need what only the old ones' end sets free.

    `retains_addresses` is what the service does after the upgrade.
    """
    if row.secondary or sidekicks:
        # They take the network and the volumes of those that are still there.
        raise _refusal(f"{row.name} has sidekicks, which stay with the container that they work for")
    _require_ports(row, config)
    _require_address(row, config, retains_addresses=retains_addresses)


def _require_ports(row: Service, config: LaunchConfig) -> None:
    wanted, held = ({port[1:] for port in fixed_ports(each.published)} for each in (config, row.config))
    if not wanted & held:
        return
    ports = ", ".join(str(number) for number, _protocol in sorted(wanted & held))
    if is_global(config) or is_global(row.config):
        raise _refusal(f"{row.name} has a container on each host, which holds host port {ports} there")
    hosts, count = len(_possible_hosts(row, config)), max(row.scale, Slot.objects.filter(service=row).count())
    if hosts <= count:
        raise _refusal(
            f"Starting first needs a host where host port {ports} is free, and the {counted(count, 'container')} to be "
            f"replaced {'holds' if count == 1 else 'hold'} it on the {counted(hosts, 'host')} that the service may use"
        )


def _possible_hosts(row: Service, config: LaunchConfig) -> list[Host]:
    """The active hosts that the configuration's hard rules about hosts allow."""
    rows = Host.all_objects.filter(environment=row.environment_id, removed=None, state="active", desired="active")
    if config.requested_host_id is not None:
        rows = rows.filter(pk=row_number(config.requested_host_id) or 0)
    rules = host_rules(row, config)
    return [host for host in rows if all(rule.holds_for(host.all_labels) == rule.wanted for rule in rules)]


def _require_address(row: Service, config: LaunchConfig, *, retains_addresses: bool) -> None:
    asked_for = requested_address(config)
    if not retains_addresses and (not asked_for or asked_for != requested_address(row.config)):
        return
    what = "retains the addresses of its containers" if retains_addresses else f"asks for the address {asked_for}"
    raise _refusal(f"{row.name} {what}, and two containers cannot have one address")


def _refusal(why: str) -> Invalid:
    return Invalid("startFirst", "InvalidOption", f"{why}: stop the old ones first.")
