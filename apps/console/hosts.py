"""Hosts: the list, the page with live charts, adding one, and what is done with them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console import buttons
from apps.console.containers import COLUMNS as CONTAINER_COLUMNS
from apps.console.containers import light, narrowed
from apps.console.door import Visit, inside, posted
from apps.console.dots import dotted
from apps.console.launch import pairs
from apps.console.listing import listing, ordered, words
from apps.containers.selectors import containers_of, endpoints
from apps.core.errors import Invalid, Problem
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create, host_update

_SSH = {"host_key": "hostKey", "private_key": "privateKey", "password": "password"}
_FIELDS = {"url", "name", "labels", *_SSH.values()}
COLUMNS = {"name": "name", "state": "shown", "created": "created"}


def _rows(visit: Visit) -> Any:
    return Host.objects.within([visit.env.pk]).filter(removed=None).defer("tls")


@inside
def index(visit: Visit) -> HttpResponse:
    """The list."""
    asked = words(visit.request, "q", "state")
    rows = _rows(visit)
    if asked["q"]:
        text = asked["q"]
        rows = rows.filter(Q(name__icontains=text) | Q(url__icontains=text) | Q(hostname__icontains=text))
    if asked["state"]:
        rows = rows.filter(shown=asked["state"])
    page = listing(visit.request, ordered(rows, visit.request.GET.get("sort", ""), COLUMNS), asked)
    dotted(page.rows, visit.env.pk)
    add = buttons.plain(gettext_lazy("Add host"), "plus", visit.url("host-add"), visit.can("hosts"))
    return visit.show("console/hosts.html", {"page": page, "add": add})


def find(visit: Visit, pk: int) -> Host:
    """A host of this environment."""
    row: Host = visit.row(_rows(visit), pk)
    return row


@inside
def detail(visit: Visit, pk: int) -> HttpResponse:
    """One host: facts, charts, labels and the containers on it."""
    row = find(visit, pk)
    asked = words(visit.request, "q", "state")
    mine = containers_of(visit.actor, visit.env.pk).filter(host=row)
    rows = light(narrowed(mine, asked))
    page = listing(visit.request, ordered(rows, visit.request.GET.get("sort", ""), CONTAINER_COLUMNS), asked)
    for each in page.rows:
        each.reached = endpoints(each)
    running = mine.filter(shown="running").count()
    return visit.show("console/host.html", {"row": row, "page": page, "running": running})


@inside
@posted
def do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(visit, pk)
    host_act(row, buttons.known_action(row, action), actor=visit.actor)
    told = {"activate": _("Activating %(name)s."), "deactivate": _("%(name)s will take no new containers.")}
    return visit.done(told.get(action, "%(name)s") % {"name": row.name})


@inside
def edit(visit: Visit, pk: int) -> HttpResponse:
    """Change name, description, address and labels."""
    row, errors, sent = find(visit, pk), {}, visit.request.POST
    if visit.request.method == "POST":
        try:
            host_update(
                row,
                actor=visit.actor,
                name=sent.get("name", "").strip() or row.name,
                description=sent.get("description", "").strip(),
                address=sent.get("address", "").strip(),
                labels=pairs("labels", sent.get("labels", "")),
            )
            return visit.done(_("Saved."))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    labels = sent.get("labels") or "\n".join(f"{name}={value}" for name, value in row.labels.items())
    context = {"row": row, "errors": errors, "labels": labels}
    return visit.show("console/edit.html", context, status=422 if errors else 200)


@inside
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, telling what goes with it; then delete."""
    row = find(visit, pk)
    if visit.request.method == "POST":
        host_act(row, "remove", actor=visit.actor)
        return visit.done(_("Removing host %(name)s.") % {"name": row.name}, visit.url("hosts"))
    count = containers_of(visit.actor, visit.env.pk).filter(host=row).count()
    goes = [_("%(count)d containers leave Corral's list; on the host itself they go on running.") % {"count": count}]
    return visit.show("console/remove.html", {"row": row, "goes": goes if count else [], "kind": _("host")})


@inside
def new(visit: Visit) -> HttpResponse:
    """Add a host by the address of its engine; it is tried before it is kept."""
    visit.need("hosts")
    sent, errors, shown = visit.request.POST, {}, ""
    if visit.request.method == "POST":
        try:
            row = _make(visit)
            return visit.done(_("Host %(name)s was added.") % {"name": row.name}, buttons.address(row, ""))
        except Problem as problem:
            name = str(problem.field or "url")
            errors = {name if name in _FIELDS else "url": problem.message}
            shown = (name == "hostKey" and problem.detail) or ""
    context = {"values": sent, "errors": errors, "shown_key": shown}
    return visit.show("console/host_new.html", context, status=422 if errors else 200)


def _make(visit: Visit) -> Host:
    sent = visit.request.POST
    tls = {name: sent.get(name, "").strip() for name in ("ca", "cert", "key")}
    if any(tls.values()) and not (tls["cert"] and tls["key"]):
        raise Invalid("url", "MissingRequired", _("A TLS connection needs the client's certificate and its key."))
    keys = {name: sent.get(field, "").strip() for name, field in _SSH.items()}
    keys["host_key"] = sent.get("confirmedKey", "").strip() or keys["host_key"]
    return host_create(
        actor=visit.actor,
        environment=visit.env,
        url=sent.get("url", "").strip(),
        name=sent.get("name", "").strip(),
        address=sent.get("address", "").strip(),
        labels=pairs("labels", sent.get("labels", "")),
        tls={name: text + "\n" for name, text in tls.items() if text} | keys,
    )
