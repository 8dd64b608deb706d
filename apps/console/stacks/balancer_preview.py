"""What a balancer would do with its requests, shown beside its form while that is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpResponse

from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.balancer_values import check_targets, parse_settings, parse_targets
from apps.core.errors import Problem
from apps.stacks.balancer.config import BalancerConfig, Listener
from apps.stacks.balancer.rules import BalancerTarget, TargetServer, config_of, has_default
from apps.stacks.balancer.services import check_settings
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.models import Service
from apps.stacks.service_options import BALANCER, ServiceOptions


@dataclass(frozen=True, slots=True)
class ShownRoute:
    """Requests of one kind, as they are typed into a browser, and the targets that get them."""

    address: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownListener:
    """A listener with its routes, the first that matches first; `leaves_rest` when others are answered with 503."""

    listener: Listener
    routes: tuple[ShownRoute, ...]
    leaves_rest: bool


@member_required
@post_required
def preview(ctx: RequestContext) -> HttpResponse:
    """The routes of what is typed, or what is wrong with it."""
    ctx.require_permission("operate")
    sent = ctx.request.POST
    context: dict[str, object] = {"selector": sent.get("selector", "").strip()}
    try:
        settings = parse_settings(sent, BalancerSettings())
        check_settings(ctx.env.pk, ServiceOptions(BALANCER, balancer=settings))
        services = Service.objects.within([ctx.env.pk]).filter(removed=None).select_related("stack")
        links, rules = parse_targets(sent, services)
        check_targets(settings, rules)
        context["listeners"] = shown_listeners(settings, links, rules)
    except Problem as problem:
        context["problem"] = problem
    return ctx.render("console/parts/balancer_preview.html", context)


def shown_listeners(
    settings: BalancerSettings, links: Sequence[tuple[Service, str]], rules: Mapping[str, Sequence[TargetPort]]
) -> list[ShownListener]:
    """What each listener does; targets are called by their names, as it does not matter which containers they have."""
    targets = [
        BalancerTarget(name, tuple(rules.get(name, ())), (TargetServer(str(row.pk), f"{row.stack.name}/{row.name}"),))
        for row, name in links
    ]
    config = config_of(settings, targets)
    return [
        ShownListener(
            each,
            tuple(_shown_route(config, each, rule.host, rule.path, rule.backend) for rule in config.rules_of(each)),
            leaves_rest=not has_default(config, each),
        )
        for each in settings.listeners
    ]


def _shown_route(config: BalancerConfig, listener: Listener, host: str, path: str, backend: str) -> ShownRoute:
    servers = config.backend(backend).servers
    return ShownRoute(_address(listener, host, path), tuple(f"{server.address}:{server.port}" for server in servers))


def _address(listener: Listener, host: str, path: str) -> str:
    if not listener.is_http:
        return f"{listener.protocol}://*:{listener.port}"
    usual = (listener.protocol, listener.port) in {("http", 80), ("https", 443)}
    return f"{listener.protocol}://{host or '*'}{'' if usual else f':{listener.port}'}{path}"
