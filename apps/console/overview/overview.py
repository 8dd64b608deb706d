"""The overview: environments with their health, what fails and why, capacity, recent events, and the first steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components.listing import natural_order
from apps.console.components.state_badges import BAD, WARN, bad_first
from apps.console.overview.summary import EnvironmentSummary, summarize
from apps.console.request_context import RequestContext, login_required
from apps.containers.models import Container
from apps.control.models import Operation
from apps.environments.models import Environment
from apps.environments.selectors import environments_of
from apps.environments.selectors.members import members_of
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.vault.selectors import failing_certificates

MAX_FAILING, MAX_EVENTS = 8, 8


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first steps."""

    title: str | Promise
    note: str | Promise
    url: str
    is_done: bool
    reason: str = ""


@login_required
def index(ctx: RequestContext) -> HttpResponse:
    """The landing page after log-in."""
    rows = list(environments_of(ctx.actor, everything=True).filter(removed=None).order_by(*natural_order("name")))
    keys = [row.pk for row in rows]
    summaries = summarize(rows)
    names = {row.pk: row.name for row in rows}
    last = ctx.last_environment()
    framed = last or next((row for row in rows if "view" in ctx.actor.permissions(row.pk)), None)
    context = {
        "environment": framed,
        "summaries": summaries,
        "totals": _totals(summaries),
        "failing": _failing(keys, names),
        "events": _events(keys),
        "steps": _steps(ctx, summaries, framed),
        "is_single": len(rows) == 1,
    }
    return ctx.render("console/overview.html", context)


def _totals(summaries: list[EnvironmentSummary]) -> dict[str, Any]:
    """The sums over all environments."""
    capacities = [each.capacity for each in summaries]
    return {
        "running": sum(each.running for each in summaries),
        "containers": sum(each.container_total for each in summaries),
        "active": sum(each.active for each in capacities),
        "hosts": sum(each.hosts for each in capacities),
        "cpus": sum(each.cpus for each in capacities),
        "memory": sum(each.memory for each in capacities),
    }


def _failing(keys: list[int], names: dict[int, str]) -> list[tuple[Any, str]]:
    """What fails, the worst first, each with the name of its environment: hosts, services, single containers,
    certificates that are about to expire.
    """
    wrong = Q(fault=True) | Q(display_state__in=(*BAD, *WARN))
    services = Service.objects.within(keys).filter(wrong | Q(status__health__in=(*BAD, *WARN)), removed=None)
    alone = Q(slot=None, succeeds=None, deployment_unit="")
    containers = Container.objects.within(keys).filter(wrong, alone, removed=None)
    hosts = Host.objects.within(keys).filter(wrong, removed=None)
    found: list[tuple[Any, str]] = []
    for rows in (
        _worst(hosts.defer("tls", "info", "engine_labels")),
        _worst(
            services.exclude(desired="inactive")
            .select_related("stack")
            .defer("spec", "secondary", "metadata", "balancer"),
            by_health=True,
        ),
        _worst(containers.filter(native=False).select_related("host").defer("spec", "placement", "host__tls")),
    ):
        found += [(row, names.get(row.environment_id, "")) for row in rows]
    found += [(row, names.get(row.environment_id, "")) for row in failing_certificates(keys, MAX_FAILING)]
    return found


def _worst(rows: QuerySet[Any], *, by_health: bool = False) -> list[Any]:
    return list(rows.order_by(bad_first(by_health=by_health), *natural_order("name"))[:MAX_FAILING])


def _events(keys: list[int]) -> list[Operation]:
    """What people requested and what failed of late."""
    rows = Operation.objects.within(keys).filter(Q(account__isnull=False) | Q(state="failed"))
    return list(rows.select_related("account", "environment").order_by("-pk")[:MAX_EVENTS])


def _steps(ctx: RequestContext, summaries: list[EnvironmentSummary], row: Environment | None) -> list[Step]:
    """The first steps, as long as there is no host or no stack; afterwards none."""
    has_host = any(each.capacity.hosts for each in summaries)
    has_stack = any(each.stacks for each in summaries)
    if row is None or (has_host and has_stack):
        return []
    return [
        _step(ctx, row, "host-add", "hosts", is_done=has_host),
        _step(ctx, row, "stack-new", "operate", is_done=has_stack),
        Step(*_STEP_TEXTS["members"], ctx.url("environment", pk=row.pk), len(members_of([row.pk])[row.pk]) > 1),
    ]


_STEP_TEXTS = {
    "host-add": (
        gettext_lazy("Add a host"),
        gettext_lazy("A machine with Docker, by one command that you run there. Containers need at least one."),
    ),
    "stack-new": (
        gettext_lazy("Add a stack"),
        gettext_lazy("Paste a compose file, or start empty and add services one by one."),
    ),
    "members": (
        gettext_lazy("Invite others"),
        gettext_lazy("People and groups become members with a role. Optional."),
    ),
}


def _step(ctx: RequestContext, row: Environment, page: str, permission: str, *, is_done: bool) -> Step:
    allowed = permission in ctx.actor.permissions(row.pk)
    reason = "" if allowed else _("Your role in %(name)s does not allow it.") % {"name": row.name}
    return Step(*_STEP_TEXTS[page], ctx.url(page, environment=row.pk), is_done, reason)
