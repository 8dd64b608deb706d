"""Environments: the list, their names, their members, their life."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console import buttons
from apps.console.door import Visit, posted, site
from apps.console.listing import natural
from apps.console.renaming import rename
from apps.containers.models import Container
from apps.core.errors import Invalid, NotFound
from apps.environments.access import Verdict, can, members_of
from apps.environments.models import Environment
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import environments_of, role_choices, titles_of
from apps.environments.services import environment_act, environment_create, environment_update
from apps.hosts.models import Host
from apps.stacks.models import Stack


@site
def index(visit: Visit) -> HttpResponse:
    """The list: one's own, or all of them for an administrator."""
    rows = list(environments_of(visit.actor, everything=True).filter(removed=None).order_by(*natural("name")))
    keys = [row.pk for row in rows]
    people = members_of(keys)
    counts = {
        name: dict(
            model.objects.within(keys)
            .filter(removed=None)
            .order_by()
            .values_list("environment")
            .annotate(count=Count("pk"))
        )
        for name, model in (("hosts", Host), ("stacks", Stack), ("containers", Container))
    }
    shown = [
        {
            "row": row,
            "people": people[row.pk],
            "role": visit.actor.role(row.pk),
            "counts": [(name, table.get(row.pk, 0)) for name, table in counts.items()],
        }
        for row in rows
    ]
    yes = Verdict(allowed=True)
    add = buttons.plain(_("Add environment"), "plus", visit.url("environment-new"), yes, is_dialog=True)
    return visit.show("console/environments.html", {"shown": shown, "add": add})


def find(visit: Visit, pk: int) -> Environment:
    """An environment that the visitor knows of."""
    row = Environment.objects.filter(pk=pk, removed=None).first()
    if row is None or "view" not in visit.actor.permissions(pk):
        raise NotFound(_("There is no such environment, or you are not a member of it."))
    return row


@site
def new(visit: Visit) -> HttpResponse:
    """Add an environment; its maker owns it."""
    sent, errors = visit.request.POST, {}
    if visit.request.method == "POST":
        try:
            row = environment_create(
                actor=visit.actor, name=sent.get("name", ""), description=sent.get("description", "").strip()
            )
            told = _("Environment %(name)s was added.") % {"name": row.name}
            return visit.done(told, buttons.address(row, ""))
        except Invalid as problem:
            errors = {problem.field or "name": problem.message}
    return visit.show("console/environment_new.html", {"errors": errors, "values": sent}, status=422 if errors else 200)


@site
def detail(visit: Visit, pk: int) -> HttpResponse:
    """One environment: its members and what each role may do."""
    row = find(visit, pk)
    choices, members = role_choices(), members_of([row.pk])[row.pk]
    titles = titles_of(members)
    context = {
        "row": row,
        "people": [(m, m.account_id if m.identity_type == "rancher_id" else 0, titles[m.pk]) for m in members],
        "own": can(visit.actor, "members", row.pk),
        "roles": [each.name for each in choices],
        "choices": choices,
        "matrix": [(name, text, [name in each.permissions for each in choices]) for name, text in PERMISSIONS.items()],
    }
    return visit.show("console/environment.html", context)


@site
def edit(visit: Visit, pk: int) -> HttpResponse:
    """Rename or describe."""
    return rename(visit, find(visit, pk), environment_update)


@site
@posted
def do(visit: Visit, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(visit, pk)
    environment_act(row, buttons.known_action(row, action), actor=visit.actor)
    return visit.done(_("Done."))


@site
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, telling what goes with it; then delete."""
    row = find(visit, pk)
    if visit.request.method == "POST":
        environment_act(row, "remove", actor=visit.actor)
        return visit.done(_("Deleting environment %(name)s.") % {"name": row.name}, visit.url("environments"))
    kinds: list[tuple[Any, str]] = [(Stack, _("stacks")), (Container, _("containers")), (Host, _("hosts"))]
    counts = [(model.objects.within([row.pk]).filter(removed=None).count(), word) for model, word in kinds]
    goes = [f"{count} {word}" for count, word in counts if count]
    return visit.show("console/remove.html", {"row": row, "goes": goes, "kind": _("environment")})
