"""Deploy webhooks: the list on a service's page, one of them with its calls, and the forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.components.removal_dialog import ask_removal
from apps.console.components.state_badges import StateBadge
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.services import find
from apps.console.stacks.webhook_snippets import webhook_snippets
from apps.core.errors import Forbidden, Invalid
from apps.hosts.selectors import portal_base_url
from apps.stacks.webhooks.lifecycle import REDEPLOY, SCALE, UPGRADE
from apps.stacks.webhooks.models import DeployWebhook, DeployWebhookCall
from apps.stacks.webhooks.receiving import calls_of
from apps.stacks.webhooks.retention import KEPT
from apps.stacks.webhooks.selectors import receiver_path, seen_deploy_webhooks
from apps.stacks.webhooks.services import (
    NewSecret,
    deploy_webhook_act,
    deploy_webhook_create,
    deploy_webhook_renew_secret,
    deploy_webhook_update,
    may_hold_secret,
    renewal,
    unfit,
)

TASK_LABELS: dict[str, str | Promise] = {
    UPGRADE: gettext_lazy("upgrade to a tag"),
    REDEPLOY: gettext_lazy("redeploy with the same image, pulled again"),
    SCALE: gettext_lazy("scale"),
}
LABELS = {
    "min_scale": gettext_lazy("At least"),
    "max_scale": gettext_lazy("At most"),
    "step": gettext_lazy("Step"),
    "tag_patterns": gettext_lazy("Tags"),
}


def _find(ctx: RequestContext, pk: int) -> DeployWebhook:
    """A webhook of this environment."""
    return ctx.get_or_404(seen_deploy_webhooks(ctx.actor, ctx.env.pk), pk)


def describe_limits(row: DeployWebhook) -> str:
    """What it may do at most, in words."""
    if row.task == SCALE:
        words = {"low": row.min_scale, "high": row.max_scale, "step": row.step}
        return _("%(low)s to %(high)s containers, in steps of %(step)s") % words
    if row.task == UPGRADE:
        return ", ".join(row.tag_patterns) or _("every tag")
    return ""


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One webhook: where it is called, with what, and what was called lately."""
    row = _find(ctx, pk)
    url = _url(ctx, row)
    context = {
        "row": row,
        "url": url,
        "task": TASK_LABELS[row.task],
        "limits": describe_limits(row),
        "snippets": webhook_snippets(url, row.task),
        "calls": [(each, _badge(each), _request_text(each.request)) for each in calls_of(row, KEPT)],
        "renew": buttons.custom_button(
            _("Renew secret"),
            "key",
            ctx.url("deploy-webhook-renew", pk=row.pk),
            renewal(row, ctx.actor),
            is_dialog=True,
        ),
    }
    return ctx.render("console/deploy_webhook.html", context)


def _url(ctx: RequestContext, row: DeployWebhook) -> str:
    return portal_base_url(ctx.request.build_absolute_uri("/")) + receiver_path(row)


def _badge(row: DeployWebhookCall) -> StateBadge:
    if row.outcome == DeployWebhookCall.ACCEPTED:
        return StateBadge(_("accepted"), "good")
    return StateBadge(_("refused"), "bad")


def _request_text(request: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in request.items())


@member_required
def new(ctx: RequestContext, service: int) -> HttpResponse:
    """Add a webhook, and show its secret this once."""
    row = find(ctx, service)
    allowed = may_hold_secret(ctx.actor, ctx.env.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    errors: dict[str, str] = {}
    sent = ctx.request.POST
    if ctx.request.method == "POST":
        try:
            made = deploy_webhook_create(actor=ctx.actor, service=row, **_parse(sent, sent.get("task", "")))
            return _show_secret(ctx, made, _("Deploy webhook added"))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    task = next((name for name in TASK_LABELS if not unfit(row, name)), UPGRADE)
    values = {"task": task, "minScale": "1", "maxScale": str(max(row.scale, 1) * 2), "step": "1", **sent.dict()}
    context = {
        "service": row,
        "values": values,
        "errors": errors,
        "tasks": [(name, text, unfit(row, name)) for name, text in TASK_LABELS.items()],
    }
    return ctx.render("console/deploy_webhook_new.html", context, status=422 if errors else 200)


def _parse(sent: QueryDict, task: str) -> dict[str, Any]:
    """What was typed, by the names of the service's arguments; an empty number is none. Raises `Invalid`."""
    found: dict[str, Any] = {"name": sent.get("name", "").strip(), "description": sent.get("description", "").strip()}
    if task == SCALE:
        names = {"min_scale": "minScale", "max_scale": "maxScale", "step": "step"}
        typed = {column: sent.get(name, "").strip() for column, name in names.items()}
        found |= {column: _number(names[column], value) for column, value in typed.items() if value}
    if task == UPGRADE:
        found["tag_patterns"] = sent.get("tagPatterns", "").replace(",", " ").split()
    return {**found, "task": task}


def _number(field: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise Invalid(field, "InvalidFormat", _("A whole number is needed."))
    return int(value)


def _show_secret(ctx: RequestContext, made: NewSecret, title: str) -> HttpResponse:
    url = _url(ctx, made.row)
    context = {
        "row": made.row,
        "title": title,
        "secret": made.secret,
        "url": url,
        "snippets": webhook_snippets(url, made.row.task),
    }
    response = ctx.render("console/deploy_webhook_secret.html", context)
    response["HX-Trigger"] = "corral:changed"
    response["Cache-Control"] = "no-store"  # the secret must not come back with the back button
    return response


@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change name and limits; the task stays."""
    ctx.require_permission("operate")
    row = _find(ctx, pk)
    current: dict[str, Any] = {"name": row.name, "description": row.description}
    if row.task == SCALE:
        current |= {"min_scale": row.min_scale, "max_scale": row.max_scale, "step": row.step}
    if row.task == UPGRADE:
        current["tag_patterns"] = row.tag_patterns
    form = Edit(ctx, current, row, labels=LABELS)

    def parse() -> dict[str, Any]:
        typed = _parse(ctx.request.POST, row.task)
        del typed["task"]
        return typed

    def save(**changes: Any) -> None:
        deploy_webhook_update(row, actor=ctx.actor, **changes)

    return handle_edit(
        form,
        parse=parse,
        save=save,
        template="console/deploy_webhook_edit.html",
        context=lambda: {"values": _shown(ctx, row)},
    )


def _shown(ctx: RequestContext, row: DeployWebhook) -> dict[str, Any]:
    """What the fields of the form show: what was typed, or what is stored."""
    stored = {
        "name": row.name,
        "description": row.description,
        "task": row.task,
        "minScale": row.min_scale,
        "maxScale": row.max_scale,
        "step": row.step,
        "tagPatterns": " ".join(row.tag_patterns),
    }
    return stored | ctx.request.POST.dict() | {"task": row.task}


@member_required
def renew(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask, then give it another secret and show that this once."""
    row = _find(ctx, pk)
    allowed = renewal(row, ctx.actor)
    if ctx.request.method == "POST":
        made = deploy_webhook_renew_secret(row, actor=ctx.actor)
        return _show_secret(ctx, made, _("Secret renewed"))
    return ctx.render("console/deploy_webhook_renew.html", {"row": row, "reason": allowed.reason})


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = _find(ctx, pk)
    deploy_webhook_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    messages = {
        "activate": _("%(name)s can be called again."),
        "deactivate": _("Calls of %(name)s are refused from now on."),
    }
    return ctx.success_response(messages.get(action, "%(name)s") % {"name": row.name})


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask, then delete it."""
    row = _find(ctx, pk)

    def act() -> HttpResponse:
        deploy_webhook_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(
            _("Deleting deploy webhook %(name)s.") % {"name": row.name}, ctx.url("service", pk=row.service_id)
        )

    consequences = [_("Whoever calls it is refused from now on.")]
    return ask_removal(ctx, row, remove=act, ask=lambda: {"kind": _("deploy webhook"), "consequences": consequences})
