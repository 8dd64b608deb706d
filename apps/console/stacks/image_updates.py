"""Newer images: the list of an environment, looking now, upgrading now, and the policies."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.components import buttons
from apps.console.components.listing import paginate, query_filters
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.services import find
from apps.console.stacks.update_card import STATES, apply_button, describe_policy, update_badge
from apps.core.defaults import setting_int
from apps.core.errors import Problem
from apps.environments.access import can
from apps.stacks.cron import time_zones
from apps.stacks.models import Service
from apps.stacks.services import service_update
from apps.stacks.updates.checks import SETTING
from apps.stacks.updates.image_upgrades import image_update_apply, newer_images
from apps.stacks.updates.models import ImageUpdate
from apps.stacks.updates.policies import environment_policy, environment_policy_set
from apps.stacks.updates.policy import UPGRADE, UpdatePolicy
from apps.stacks.updates.selectors import count_update_states, seen_image_updates, update_views
from apps.stacks.updates.services import image_check

INHERIT = ""
_FIELDS = ("mode", "days", "from", "to", "timeZone")


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The images in use, those first of which registries have newer ones."""
    filters = query_filters(ctx.request, "q", "state")
    rows = seen_image_updates(ctx.actor, ctx.env.pk)
    if filters["q"]:
        name = filters["q"]
        rows = rows.filter(
            Q(image__icontains=name) | Q(service__name__icontains=name) | Q(service__stack__name__icontains=name)
        )
    if filters["state"]:
        rows = rows.filter(state=filters["state"])
    ordered = rows.annotate(is_newer=Q(state=ImageUpdate.NEWER)).order_by("-is_newer", "-since", "image", "pk")
    page = paginate(ctx.request, ordered, filters)
    counts = count_update_states(ctx.env.pk)
    policy = environment_policy(ctx.env.pk)
    context = {
        "page": page,
        "views": [
            (view, update_badge(view.update), apply_button(ctx, view)) for view in update_views(page.rows, ctx.env.pk)
        ],
        "states": [(name, label, counts.get(name, 0)) for name, label in STATES.items()],
        "policy_text": describe_policy(policy),
        "is_off": not setting_int(SETTING),
        "check": buttons.custom_button(
            _("Check now"), "refresh", ctx.url("updates-check"), ctx.can("operate"), action="check"
        ),
        "default": buttons.custom_button(
            _("Change"), "pencil", ctx.url("updates-default"), ctx.can("operate"), is_dialog=True
        ),
    }
    return ctx.render("console/updates.html", context)


@member_required
@post_required
def check(ctx: RequestContext) -> HttpResponse:
    """Have registries asked with the next round."""
    rows = seen_image_updates(ctx.actor, ctx.env.pk)
    count = image_check(rows, actor=ctx.actor, environment_id=ctx.env.pk)
    text = ngettext(
        "Asking for %(count)d image within the next half minute.",
        "Asking for %(count)d images within the next half minute.",
        count,
    )
    return ctx.success_response(text % {"count": count}, ctx.url("updates"))


@member_required
@post_required
def apply(ctx: RequestContext, pk: int) -> HttpResponse:
    """Upgrade a service to the newest images that are known."""
    row = find(ctx, pk)
    names = ", ".join(each.image for each in newer_images(row))
    image_update_apply(row, actor=ctx.actor)
    return ctx.success_response(_("Upgrading %(name)s to the newer %(images)s.") % {"name": row.name, "images": names})


@member_required
def service_policy(ctx: RequestContext, pk: int) -> HttpResponse:
    """What a service does about newer images."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    inherited = describe_policy(environment_policy(ctx.env.pk))

    def save(sent: QueryDict) -> str:
        service_update(row, actor=ctx.actor, update_policy=_parse(sent))
        return _("Changed %(name)s.") % {"name": row.name}

    return _policy_form(ctx, UpdatePolicy.from_json(row.update_policy), save, row=row, inherited=inherited)


@member_required
def default_policy(ctx: RequestContext) -> HttpResponse:
    """What services of the environment do that do not say so themselves."""
    ctx.require_permission("operate")

    def save(sent: QueryDict) -> str:
        environment_policy_set(ctx.env, _parse(sent), actor=ctx.actor)
        return _("Changed what services do about newer images.")

    return _policy_form(ctx, environment_policy(ctx.env.pk), save)


def _parse(sent: QueryDict) -> dict[str, str] | None:
    """What was typed, as a client of the API would send it; None for the environment's."""
    typed = {name: sent.get(name, "").strip() for name in _FIELDS}
    if typed["mode"] == INHERIT:
        return None
    return typed if typed["mode"] == UPGRADE and sent.get("when") == "window" else {"mode": typed["mode"]}


def _policy_form(
    ctx: RequestContext, policy: UpdatePolicy | None, save: Any, *, row: Service | None = None, inherited: str = ""
) -> HttpResponse:
    stored = policy.to_json() if policy is not None else {"mode": INHERIT}
    values: dict[str, Any] = {"days": "*", "from": "02:00", "to": "05:00", "timeZone": "UTC", **stored}
    values |= {"when": "window" if policy is not None and policy.has_window else "always"}
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        values |= ctx.request.POST.dict()
        try:
            return ctx.success_response(save(ctx.request.POST))
        except Problem as problem:
            errors = {str(problem.field or "mode").rpartition(".")[2]: problem.message}
    values["start"], values["end"] = values["from"], values["to"]
    errors["start"] = errors.get("from", "")
    context = {
        "row": row,
        "values": values,
        "errors": errors,
        "inherited": inherited,
        "time_zones": time_zones(),
        "allowed": can(ctx.actor, "operate", ctx.env.pk),
        "now": timezone.now(),
    }
    return ctx.render("console/update_policy.html", context, status=422 if any(errors.values()) else 200)
