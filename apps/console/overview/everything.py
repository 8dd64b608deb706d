"""One list over all environments: stacks, containers and hosts, with filters that are kept, and actions for many."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.saved_filters import filter_remove, filter_save, filters_of
from apps.console.components.listing import (
    count_states,
    filter_state,
    natural_order,
    paginate,
    query_filters,
    sort_rows,
)
from apps.console.containers.containers import defer_heavy_fields
from apps.console.request_context import RequestContext, login_required, post_required
from apps.console.stacks.service_rows import HEAVY_STACK_FIELDS
from apps.containers.models import Container
from apps.core.errors import Problem
from apps.core.ids import parse_key
from apps.environments.models import Environment
from apps.environments.selectors import environments_of
from apps.hosts.models import Host
from apps.stacks.bulk import ACTIONS, MOST, BulkStep, bulk_act, count_outcomes, preview_bulk
from apps.stacks.models import Service, Stack

PAGE = "everything"
KINDS = {"stacks": gettext_lazy("Stacks"), "containers": gettext_lazy("Containers"), "hosts": gettext_lazy("Hosts")}
FILTERS = ("kind", "q", "state", "env")
COLUMNS = {"name": "name", "state": "display_state", "environment": "environment__name", "created": "created"}
TITLES = {
    "activate": gettext_lazy("Start these stacks?"),
    "deactivate": gettext_lazy("Stop these stacks?"),
    "restart": gettext_lazy("Restart these stacks?"),
    "remove": gettext_lazy("Delete these stacks?"),
}
BUTTONS = {
    "activate": (gettext_lazy("Start"), "player-play"),
    "deactivate": (gettext_lazy("Stop"), "player-stop"),
    "restart": (gettext_lazy("Restart"), "refresh"),
    "remove": (gettext_lazy("Delete"), "trash"),
}


def _seen(ctx: RequestContext) -> list[Environment]:
    rows = environments_of(ctx.actor, everything=True).filter(removed=None)
    return list(rows.order_by(*natural_order("name")))


@login_required
def index(ctx: RequestContext) -> HttpResponse:
    """The rows of one kind in all environments that the person sees."""
    seen = _seen(ctx)
    filters = query_filters(ctx.request, *FILTERS)
    kind = filters["kind"] if filters["kind"] in KINDS else "stacks"
    chosen = parse_key(filters["env"])
    keys = [row.pk for row in seen if chosen is None or row.pk == chosen]
    by_health = kind == "stacks"
    everything = _rows(kind, keys, filters["q"])
    rows = filter_state(everything, filters["state"], by_health=by_health)
    ordered = sort_rows(rows, ctx.request.GET.get("sort", ""), COLUMNS, by_health=by_health)
    page = paginate(ctx.request, ordered, {name: filters[name] for name in ("q", "state", "env")})
    names = {row.pk: row.name for row in seen}
    context = {
        "page": page,
        "kind": kind,
        "kinds": [(name, label, _query({**filters, "kind": name, "state": ""})) for name, label in KINDS.items()],
        "entries": [(row, names[row.environment_id]) for row in page.rows],
        "states": count_states(everything, by_health=by_health),
        "environments": [(row.pk, row.name) for row in seen],
        "seen": seen,
        "saved": filters_of(ctx.actor.user, PAGE) if ctx.actor.user is not None else [],
        "query": _query({**filters, "kind": kind}),
        "buttons": [(action, *BUTTONS[action]) for action in ACTIONS],
        "operates": bool(ctx.actor.environments("operate", everything=True)),
    }
    return ctx.render("console/everything.html", context)


def _rows(kind: str, keys: list[int], text: str) -> QuerySet[Any]:
    named = Q(name__icontains=text) | Q(description__icontains=text)
    if kind == "containers":
        found = named | Q(image__icontains=text) | Q(address=text)
        return defer_heavy_fields(Container.objects.within(keys).filter(found, removed=None))
    if kind == "hosts":
        return Host.objects.within(keys).filter(named, removed=None).defer("tls", "info", "engine_labels")
    if text:
        by_service = Service.objects.within(keys).filter(removed=None, name__icontains=text)
        named |= Q(pk__in=by_service.values("stack"))
    return Stack.objects.within(keys).filter(named, removed=None).defer(*HEAVY_STACK_FIELDS)


def _query(filters: dict[str, str]) -> str:
    return urlencode({name: value for name, value in filters.items() if value})


def _chosen(ctx: RequestContext) -> list[Stack]:
    """The stacks that were ticked, as far as the person sees them."""
    sent = ctx.request.POST.getlist("row")
    keys = [key for text in sent[: MOST + 1] if (key := parse_key(text)) is not None]
    if not keys:
        raise Problem(_("Select stacks first."), status=422)
    if len(keys) > MOST:
        raise Problem(_("At most %(count)d stacks at a time.") % {"count": MOST}, status=422)
    rows = Stack.objects.within([row.pk for row in _seen(ctx)]).filter(pk__in=keys, removed=None)
    return list(rows.select_related("environment").order_by("environment__name", "name"))


def _action(ctx: RequestContext) -> str:
    action = ctx.request.POST.get("action", "")
    if action not in ACTIONS:
        raise Problem(_("There is no such action."), status=404)
    return action


@login_required
@post_required
def summary(ctx: RequestContext) -> HttpResponse:
    """What the action would do to each of the stacks that were ticked."""
    action = _action(ctx)
    return _result(ctx, action, preview_bulk(_chosen(ctx), action, actor=ctx.actor), is_done=False)


@login_required
@post_required
def act(ctx: RequestContext) -> HttpResponse:
    """Do it, and say for each of the stacks what came of it."""
    action = _action(ctx)
    return _result(ctx, action, bulk_act(_chosen(ctx), action, actor=ctx.actor), is_done=True)


def _result(ctx: RequestContext, action: str, steps: list[BulkStep], *, is_done: bool) -> HttpResponse:
    done, refused = count_outcomes(steps)
    context = {
        "steps": steps,
        "action": action,
        "title": _("What came of it") if is_done else TITLES[action],
        "button": BUTTONS[action][0],
        "is_done": is_done,
        "done": done,
        "refused": refused,
    }
    return ctx.render("console/everything_bulk.html", context)


@login_required
@post_required
def save(ctx: RequestContext) -> HttpResponse:
    """Keep the filters that are shown under a name, or forget one."""
    if ctx.actor.user is None:
        raise Problem(_("Filters are kept for accounts."), status=422)
    name, back = ctx.request.POST.get("name", ""), reverse("console:everything")
    if ctx.request.POST.get("forget"):
        filter_remove(ctx.actor.user, PAGE, name)
        return ctx.success_response(_("Removed the filter %(name)s.") % {"name": name}, back)
    sent = ctx.request.POST.get("query", "")[:1000]
    row = filter_save(ctx.actor.user, PAGE, name, sent)
    return ctx.success_response(_("Saved the filter %(name)s.") % {"name": row.name}, f"{back}?{row.query}")
