"""Environments: list, detail page with members and roles, and actions."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.listing import natural_order
from apps.console.components.plurals import counted
from apps.console.components.removal_dialog import ask_removal_of_parts
from apps.console.components.rename_dialog import rename
from apps.console.environments.network import ENCRYPTIONS
from apps.console.request_context import RequestContext, login_required, post_required
from apps.containers.models import Container
from apps.core.errors import Invalid, NotFound
from apps.environments.access import Verdict, can
from apps.environments.models import Environment
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import display_names_of, environments_of, role_choices
from apps.environments.selectors.members import members_of
from apps.environments.services import environment_act, environment_create, environment_update
from apps.hosts.models import Host
from apps.network.addressing import DEFAULT_SUBNET, WIREGUARD
from apps.stacks.models import Stack


@login_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list: the actor's own environments, or all of them for an administrator."""
    rows = list(environments_of(ctx.actor, everything=True).filter(removed=None).order_by(*natural_order("name")))
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
        for name, model in (("host", Host), ("stack", Stack), ("container", Container))
    }
    entries = [
        {
            "row": row,
            "people": people[row.pk],
            "role": ctx.actor.role(row.pk),
            "counts": [counted(name, table.get(row.pk, 0)) for name, table in counts.items()],
        }
        for row in rows
    ]
    allowed = Verdict(allowed=True)
    add = buttons.custom_button(_("Add environment"), "plus", ctx.url("environment-new"), allowed, is_dialog=True)
    return ctx.render("console/environments.html", {"entries": entries, "add": add})


def find(ctx: RequestContext, pk: int) -> Environment:
    """An environment that the actor may see."""
    row = Environment.objects.filter(pk=pk, removed=None).first()
    if row is None or "view" not in ctx.actor.permissions(pk):
        raise NotFound(_("There is no such environment, or you are not a member of it."))
    return row


@login_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add an environment; its creator becomes its owner."""
    sent, errors = ctx.request.POST, {}
    if ctx.request.method == "POST":
        try:
            row = environment_create(
                actor=ctx.actor,
                name=sent.get("name", ""),
                description=sent.get("description", "").strip(),
                options={"subnet": sent.get("subnet", "").strip(), "encryption": sent.get("encryption", "")},
            )
            message = _("Environment %(name)s was added.") % {"name": row.name}
            return ctx.success_response(message, buttons.row_url(row, ""))
        except Invalid as problem:
            errors = {problem.field or "name": problem.message}
    network = {
        "subnet": sent.get("subnet", DEFAULT_SUBNET),
        "encryption": sent.get("encryption", WIREGUARD),
        "encryptions": ENCRYPTIONS,
    }
    context = {"errors": errors, "values": sent, **network}
    return ctx.render("console/environment_new.html", context, status=422 if errors else 200)


@login_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One environment: its members and what each role may do."""
    row = find(ctx, pk)
    choices, members = role_choices(), members_of([row.pk])[row.pk]
    titles = display_names_of(members)
    context = {
        "row": row,
        "people": [(m, m.account_id if m.identity_type == "rancher_id" else 0, titles[m.pk]) for m in members],
        "own": can(ctx.actor, "members", row.pk),
        "roles": [each.name for each in choices],
        "choices": choices,
        "matrix": [(name, text, [name in each.permissions for each in choices]) for name, text in PERMISSIONS.items()],
    }
    return ctx.render("console/environment.html", context)


@login_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Rename or describe."""
    return rename(ctx, find(ctx, pk), environment_update)


@login_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(ctx, pk)
    environment_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    return ctx.success_response(_("Done."))


@login_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, listing what is deleted along; then delete."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        environment_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_("Deleting environment %(name)s.") % {"name": row.name}, ctx.url("environments"))

    return ask_removal_of_parts(ctx, row, _("environment"), remove=act)
