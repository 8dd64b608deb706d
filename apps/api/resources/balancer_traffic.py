"""`balancerTraffic` (not in Rancher's v1): what passes through a balancer now, by rule and by server."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import READ_ONLY
from apps.core.ids import wire_id
from apps.stacks.balancer.traffic import RuleTraffic, ServerTraffic, traffic_of
from apps.stacks.models import Service


class BalancerTrafficResource(EmbeddedResource):
    """The counters of a balancer's containers together, since its configuration was loaded last."""

    name = "balancerTraffic"
    roles = READ_ONLY
    own_fields = parse_fields("""
        problems  array[string] r
        rules     json          r
        serviceId string        r
        servers   json          r
    """)


def balancer_traffic(caller: ApiCaller, row: Service) -> dict[str, Any]:
    """The `call` of a balancer's link: what its page shows, read from its containers once for all who look."""
    found, key = traffic_of(row), wire_id("s", row.pk)
    return {
        "type": "balancerTraffic",
        "links": {"self": caller.url("loadbalancerservices", key, "traffic")},
        "actions": {},
        "serviceId": key,
        "rules": [
            {"port": each.port, "host": each.host or None, "path": each.path or None, **_counters(each)}
            for each in found.rules
        ],
        "servers": [
            {
                "name": each.name,
                "address": each.address,
                "port": each.port,
                "status": each.status or None,
                "up": each.is_up,
                **_counters(each),
            }
            for each in found.servers
        ],
        "problems": list(found.problems),
    }


def _counters(each: RuleTraffic | ServerTraffic) -> dict[str, Any]:
    return {
        "openConnections": each.open,
        "requests": each.requests,
        "errors": each.errors,
        "meanMilliseconds": each.milliseconds,
        "requestsPerSecond": None if each.per_second is None else round(each.per_second, 3),
    }
