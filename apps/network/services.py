"""Changes to the managed network of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.control.services import record
from apps.core.edits import BasedOn, require_unchanged
from apps.core.errors import Conflict, Forbidden, Invalid
from apps.core.events import row_changed
from apps.core.plurals import counted
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.network.addressing import DEFAULT_SUBNET, PLAIN, WIREGUARD, parse_subnet
from apps.network.environment_networks import lock_network, make_network
from apps.network.models import Address, EnvironmentNetwork, HostNetwork
from apps.network.policies import MODES
from apps.network.port_range import DEFAULT_PORT_RANGE, check_port_range
from apps.network.selectors import routes_of_hosts

ENCRYPTIONS = (WIREGUARD, PLAIN)


def network_create(environment: Environment, options: Mapping[str, Any]) -> None:
    """Make the network of a new environment from what was chosen for it. Raises `Invalid`."""
    subnet = options.get("subnet") or DEFAULT_SUBNET
    encryption = options.get("encryption") or WIREGUARD
    make_network(
        environment.pk,
        subnet=_check_subnet(subnet),
        encryption=_check_encryption(encryption),
        port_range=check_port_range(options.get("port_range") or DEFAULT_PORT_RANGE),
    )


def network_update(
    environment: Environment,
    *,
    actor: Actor,
    subnet: Any = None,
    encryption: Any = None,
    policy: Any = None,
    port_range: Any = None,
    based_on: BasedOn | None = None,
) -> EnvironmentNetwork:
    """Change the subnet, which no container may have an address of, the encryption, the policy or the range of ports.

    None leaves a value; containers that have a port keep it, whatever the range.

    Raises `Forbidden`, `Invalid`, `Conflict` while containers have addresses of the subnet, and `StaleEdit`.
    """
    allowed = can(actor, "own", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    with transaction.atomic():
        network = lock_network(environment.pk)
        wanted = _wanted(network, subnet, encryption, policy, port_range)
        current = {name: getattr(network, name) for name in wanted}
        require_unchanged("The network", based_on, current, wanted)
        if wanted == current:
            return network
        if wanted["subnet"] != network.subnet:
            _give_up_subnet(network, wanted["subnet"])
        EnvironmentNetwork.objects.filter(pk=network.pk).update(revision=F("revision") + 1, **wanted)
        record(
            "environmentNetwork.update",
            actor=actor,
            row=network,
            environment_id=environment.pk,
            request={name: value for name, value in wanted.items() if value != current[name]},
        )
    row_changed(environment.pk, "environment", environment.pk)
    network.refresh_from_db()
    return network


def _wanted(network: EnvironmentNetwork, subnet: Any, encryption: Any, policy: Any, port_range: Any) -> dict[str, str]:
    """The columns, checked; as they are where None is sent. Raises `Invalid`."""
    routes = routes_of_hosts(network.pk) if subnet is not None else {}
    return {
        "subnet": network.subnet if subnet is None else _check_subnet(subnet, routes),
        "encryption": network.encryption if encryption is None else _check_encryption(encryption),
        "policy": network.policy if policy is None else _check_policy(policy),
        "port_range": network.port_range if port_range is None else check_port_range(port_range),
    }


def _give_up_subnet(network: EnvironmentNetwork, subnet: str) -> None:
    """The addresses of the former subnet mean nothing in another one; containers that run keep them from changing."""
    used = Address.objects.filter(environment=network.pk, holder__isnull=False).count()
    if used:
        why = f"The subnet cannot change: {counted(used, 'container')} took an address of {network.subnet}."
        raise Conflict(f"{why} Remove what has one first.", field="subnet")
    Address.objects.filter(environment=network.pk).delete()
    network.subnet = subnet
    most = network.plan.most_hosts
    if HostNetwork.objects.filter(environment=network.pk, number__gt=most).exists():
        raise Invalid("subnet", "InvalidOption", f"{subnet} is too small for the hosts of this environment.")
    EnvironmentNetwork.objects.filter(pk=network.pk).update(cursor="")


def _check_subnet(value: Any, routes: Mapping[str, list[str]] | None = None) -> str:
    if not isinstance(value, str):
        raise Invalid("subnet", "InvalidFormat", "subnet is a text such as 10.42.0.0/16.")
    return parse_subnet(value, routes)


def _check_encryption(value: Any) -> str:
    if value not in ENCRYPTIONS:
        why = "encryption is wireguard, or none where the hosts' network is trusted or encrypted already."
        raise Invalid("encryption", "InvalidOption", why)
    return str(value)


def _check_policy(value: Any) -> str:
    if value not in MODES:
        why = "policy is all, linked (services reach what they link to) or stack (and what is in their stack)."
        raise Invalid("policy", "InvalidOption", why)
    return str(value)
