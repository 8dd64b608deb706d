"""What the page of a balancer has besides that of any service: its listeners, rules and servers."""

from __future__ import annotations

from typing import Any

from apps.console.request_context import RequestContext
from apps.stacks.balancer.config import BalancerConfig, Listener
from apps.stacks.balancer.rules import has_default
from apps.stacks.balancer.selectors import balancer_view
from apps.stacks.balancer.traffic import last_traffic
from apps.stacks.models import Service
from apps.stacks.service_options import BALANCER


def balancer_context(ctx: RequestContext, row: Service) -> dict[str, Any]:
    """The listeners with their rules in order; nothing for other services."""
    if row.kind != BALANCER:
        return {}
    view = balancer_view(row)
    listeners = [_shown(view.config, each) for each in view.config.listeners]
    return {
        "balancer": {
            "listeners": listeners,
            "problems": view.problems,
            "traffic": last_traffic(row),
            "traffic_url": ctx.url("balancer-traffic", pk=row.pk),
        },
    }


def _shown(config: BalancerConfig, listener: Listener) -> dict[str, Any]:
    return {
        "port": listener.port,
        "protocol": listener.protocol.upper(),
        "is_public": listener.is_public,
        "is_http": listener.is_http,
        "proxy_protocol": listener.proxy_protocol,
        "has_default": has_default(config, listener),
        "rules": [
            {"host": rule.host, "path": rule.path, "servers": config.backend(rule.backend).servers}
            for rule in config.rules_of(listener)
        ],
    }
