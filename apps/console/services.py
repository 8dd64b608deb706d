"""Services: the page, the form that makes them, and what is done with them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console import buttons, lost
from apps.console.containers import COLUMNS as CONTAINER_COLUMNS
from apps.console.containers import light
from apps.console.door import Visit, inside, posted
from apps.console.listing import listing, ordered
from apps.console.seeing import seen_together
from apps.containers.models import Container
from apps.containers.selectors import endpoints
from apps.control.models import Operation
from apps.core.errors import Invalid
from apps.environments.access import verdict
from apps.stacks.models import Service, ServiceLink
from apps.stacks.services import service_act, service_update

COLUMNS = {**CONTAINER_COLUMNS, "slot": "slot__number"}
_STANDING = ("shown", "external_id", "observed_at", "host__shown", "host__seen_at", "host__lost_at")


def find(visit: Visit, pk: int) -> Service:
    """A service of this environment."""
    rows = Service.objects.within([visit.env.pk]).filter(removed=None).select_related("stack")
    return visit.row(rows, pk)


def _containers(visit: Visit, row: Service) -> QuerySet[Container]:
    """The service's containers, those that are about to take the place of others too, with their hosts."""
    here = Q(slot__service=row) | Q(succeeds__service=row)
    rows: QuerySet[Container] = Container.objects.within([visit.env.pk]).filter(here, removed=None)
    return rows.select_related("host")


@inside
def detail(visit: Visit, pk: int) -> HttpResponse:
    """One service: scale, containers, ports, links, labels."""
    row = find(visit, pk)
    mine = _containers(visit, row)
    everyone = list(mine.only(*_STANDING))
    page = listing(visit.request, ordered(light(mine), visit.request.GET.get("sort", "slot"), COLUMNS))
    for each in page.rows:
        each.reached = endpoints(each)
    links = ServiceLink.objects.filter(Q(service=row) | Q(target=row)).select_related("service__stack", "target__stack")
    sees_values = visit.can("values")
    context = {
        "row": row,
        "page": page,
        "ports": [each for container in page.rows for each in container.reached],
        "running": sum(each.shown == "running" for each in everyone),
        "seen": seen_together(everyone),
        "lost_hosts": lost.outlooks(row, page.rows),
        "links": list(links),
        "config": row.config,
        "env": _env(row.config.environment, shown=bool(sees_values)),
        "values_reason": sees_values.reason,
        "scale": verdict(visit.actor, "update", row),
        "clone": buttons.plain(_("Clone"), "copy", visit.url("service-clone", pk=row.pk), visit.can("operate")),
    }
    return visit.show("console/service.html", context)


def _env(pairs: Any, *, shown: bool) -> list[tuple[str, str]]:
    return [(name, value if shown else "") for name, value in sorted(pairs.items())]


@inside
def activity(visit: Visit, pk: int) -> HttpResponse:
    """What was asked of the service and of its containers."""
    row = find(visit, pk)
    containers = Container.objects.within([visit.env.pk]).filter(spread_key=str(row.uuid)).values("pk")
    mine = Q(kind="service", target=row.pk) | Q(kind="container", target__in=containers)
    rows = Operation.objects.within([visit.env.pk]).filter(mine).select_related("account")[:50]
    standing = seen_together(_containers(visit, row).only(*_STANDING))
    return visit.show("console/service_activity.html", {"row": row, "operations": rows, "seen": standing})


@inside
@posted
def do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Start or stop a service."""
    row = find(visit, pk)
    service_act(row, buttons.known_action(row, action), actor=visit.actor)
    told = {"activate": _("Starting %(name)s."), "deactivate": _("Stopping %(name)s.")}
    return visit.done(told.get(action, _("Asked.")) % {"name": row.name})


@inside
@posted
def scale(visit: Visit, pk: int) -> HttpResponse:
    """Set the number of containers, or change it by `by`."""
    row = find(visit, pk)
    text, by = visit.request.POST.get("scale", "").strip(), visit.request.POST.get("by", "")
    if by in {"1", "-1"}:
        wanted = max(0, row.scale + int(by))
    elif text.isascii() and text.isdigit() and len(text) < 9:
        wanted = int(text)
    else:
        raise Invalid("scale", "InvalidFormat", _("The scale is a whole number."))
    service_update(row, actor=visit.actor, scale=wanted)
    return visit.done(_("%(name)s is to have %(count)d containers.") % {"name": row.name, "count": wanted})


@inside
def edit(visit: Visit, pk: int) -> HttpResponse:
    """Change name, description, scale and what is done about a lost host."""
    row, errors = find(visit, pk), {}
    sent = visit.request.POST
    if visit.request.method == "POST":
        try:
            text = sent.get("scale", "").strip()
            wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text
            service_update(
                row,
                actor=visit.actor,
                name=sent.get("name", "").strip(),
                description=sent.get("description", "").strip(),
                scale=wanted,
                lost_host=lost.sent(sent),
            )
            return visit.done(_("Saved."))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    context = {"row": row, "errors": errors, "lost": lost.form(row, sent)}
    return visit.show("console/edit.html", context, status=422 if errors else 200)


@inside
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, telling what goes with it; then delete."""
    row = find(visit, pk)
    if visit.request.method == "POST":
        service_act(row, "remove", actor=visit.actor)
        return visit.done(_("Deleting service %(name)s.") % {"name": row.name}, buttons.address(row.stack, ""))
    names = Container.objects.within([visit.env.pk]).filter(slot__service=row, removed=None)
    names = names.order_by("slot__number")
    goes = [_("container %(name)s") % {"name": name} for name in names.values_list("name", flat=True)[:12]]
    more = max(0, names.count() - len(goes))
    linked = [link.service.name for link in ServiceLink.objects.filter(target=row).select_related("service")]
    context = {"row": row, "goes": goes, "more": more, "linked": linked, "kind": _("service")}
    return visit.show("console/remove.html", context)
