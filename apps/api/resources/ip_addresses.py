"""`ipAddress`: the addresses of managed networks that containers have, or that are kept for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Case, CharField, Q, Value, When

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Link, Resource
from apps.api.wire.roles import READ_ONLY
from apps.containers.selectors import containers_of_addresses
from apps.network.models import Address


class IpAddressResource(Resource):
    """An address of a container; inactive while no container has it, but the place of a service that keeps it.

    The links of containers and hosts show addresses of other kinds too, which are in no managed network.
    """

    name = "ipAddress"
    plural = "ipAddresses"
    model = Address
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId             reference[account]  r <environment_id
        address               string              r <address
        hostId                reference[host]     r <host_id
        instanceId            reference[instance] r <holder
        kind                  string              r
        name                  string              r
        networkId             reference[network]  r <environment_id
        role                  string              r
        state                 enum                r <use :active|inactive ~
        transitioning         enum                r ~ :yes|no|error
        transitioningMessage  string              r
        transitioningProgress int                 r
    """)
    computed = {
        **{name: value for name, value in ALWAYS_ACTIVE.items() if name != "state"},
        "name": lambda context: context.extra,
        "role": lambda _context: "primary",
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "host": Link("host", attribute="host_id"),
        "instance": Link("container", attribute="holder"),
        "network": Link("network", attribute="environment_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those that somebody has, or that are kept, in the environments that the caller sees."""
        rows = Address.objects.filter(environment__in=caller.environments())
        use = Case(
            When(holder__isnull=False, then=Value("active")), default=Value("inactive"), output_field=CharField()
        )
        return rows.filter(Q(holder__isnull=False) | ~Q(retained_for="")).annotate(use=use)

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:  # noqa: ARG002 - the base's signature
        """The name of the container that has each."""
        names = containers_of_addresses(row.holder for row in rows)
        return {row.pk: names.get(row.holder) for row in rows}
