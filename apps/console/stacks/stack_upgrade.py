"""Upgrading a whole stack in the console: its files, what they would do, then done and decided; its revisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.stacks import find
from apps.core.errors import Invalid, Problem
from apps.environments.access import verdict
from apps.stacks.bundle.resolve import parse_variables
from apps.stacks.models import Stack
from apps.stacks.selectors import stack_export
from apps.stacks.stack_draft import StackDraft, StackFiles
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_plan import ServiceChange, plan_stack
from apps.stacks.stack_revisions import find_stack_revision, stack_revisions_of, states_of
from apps.stacks.stack_upgrade import preview_return, preview_upgrade, stack_act, stack_return_to, stack_upgrade

MAX_LISTED = 100
_TEXTS = ("dockerCompose", "rancherCompose", "variables", "note")


@member_required
def upgrade(ctx: RequestContext, pk: int) -> HttpResponse:
    """Show the files, what they would do, or do it; only what was looked at is done."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    values, errors, draft = _current_values(ctx, row), {}, None
    if ctx.request.method == "POST":
        values = {name: ctx.request.POST.get(name, "").replace("\r\n", "\n") for name in (*_TEXTS, "removeMissing")}
        try:
            files = _files(ctx, values)
            is_looked_at = ctx.request.POST.get("previewed", "") == _digest(values)
            if ctx.request.POST.get("step") == "apply" and is_looked_at:
                stack_upgrade(row, files, actor=ctx.actor)
                return ctx.success_response(_("Upgrading %(name)s.") % {"name": row.name}, buttons.row_url(row, ""))
            draft = preview_upgrade(row, files, actor=ctx.actor)
        except Problem as problem:
            errors = {problem.field if problem.field in _TEXTS else "form": problem.message}
    context = {
        "row": row,
        "values": values,
        "errors": errors,
        "draft": draft,
        "changes": [each.change for each in draft.steps] if draft else (),
        "starting": [each.change.name for each in draft.steps if each.starts] if draft else (),
        "previewed": _digest(values),
        "verdict": verdict(ctx.actor, "upgrade", row),
    }
    return ctx.render("console/stack_upgrade.html", context, status=422 if errors else 200)


def _current_values(ctx: RequestContext, row: Stack) -> dict[str, str]:
    """The stack's files as they would be exported now; nothing for who may not see values, which they contain."""
    docker, rancher = stack_export(ctx.actor, row) if ctx.can("values") else ("", "")
    return {"dockerCompose": docker, "rancherCompose": rancher, "variables": "", "note": "", "removeMissing": ""}


def _files(ctx: RequestContext, values: Mapping[str, str]) -> StackFiles:
    sent = parse_variables(values["variables"], field="variables")
    return StackFiles(
        docker_compose=values["dockerCompose"],
        rancher_compose=values["rancherCompose"],
        variables={name: text or "" for name, text in sent.items()} if sent else None,
        remove_missing=bool(values["removeMissing"]),
        based_on=ctx.request.POST.get("basedOn", ""),
        note=values["note"],
    )


def _digest(values: Mapping[str, str]) -> str:
    """Changes whenever the files do: what was edited after the preview is looked at again first."""
    said = {name: text for name, text in values.items() if name != "note"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Decide about the stack's upgrade."""
    row = find(ctx, pk)
    stack_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    messages = {
        "finishupgrade": _("Finishing the upgrade of %(name)s."),
        "rollback": _("Rolling %(name)s back."),
        "cancelupgrade": _("Canceling the upgrade of %(name)s."),
        "cancelrollback": _("Canceling the rollback of %(name)s."),
    }
    return ctx.success_response(messages.get(action, _("Requested.")) % {"name": row.name})


@member_required
def revisions(ctx: RequestContext, pk: int) -> HttpResponse:
    """The revisions, and what differs between the two that were chosen: at first the newest two."""
    row = find(ctx, pk)
    found = list(stack_revisions_of(row)[:MAX_LISTED])
    newest = found[0] if found else None
    before = _sent(ctx, "from", found, found[1] if len(found) > 1 else newest)
    after = _sent(ctx, "to", found, newest)
    context = {
        "row": row,
        "revisions": found,
        "before": before,
        "after": after,
        "changes": _differences(before, after),
        "upgrade_verdict": verdict(ctx.actor, "upgrade", row),
    }
    return ctx.render("console/stack_revisions.html", context)


def _sent(
    ctx: RequestContext, name: str, found: Sequence[StackRevision], default: StackRevision | None
) -> StackRevision | None:
    """The revision that a number of the query names; a number that is none is as good as none."""
    return next((each for each in found if str(each.number) == ctx.request.GET.get(name, "")), default)


def _differences(before: StackRevision | None, after: StackRevision | None) -> list[ServiceChange]:
    if before is None or after is None:
        return []
    found = plan_stack(states_of(before), states_of(after), remove_missing=True)
    return [each for each in found if each.changes_anything]


@member_required
def return_to(ctx: RequestContext, pk: int, number: int) -> HttpResponse:
    """Show what going back changes, then start it."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    try:
        revision = find_stack_revision(row, number)
        draft = preview_return(row, number, actor=ctx.actor)
    except Invalid as problem:
        raise Problem(problem.message, status=404) from None
    values, errors = {"note": ctx.request.POST.get("note", "")}, {}
    if ctx.request.method == "POST":
        try:
            more = {"note": values["note"], "based_on": ctx.request.POST.get("basedOn", "")}
            stack_return_to(row, number, actor=ctx.actor, **more)
            text = _("%(name)s goes back to revision %(number)d.") % {"name": row.name, "number": number}
            return ctx.success_response(text, buttons.row_url(row, ""))
        except Problem as problem:
            errors = {problem.field if problem.field == "note" else "form": problem.message}
    context = {
        "row": row,
        "revision": revision,
        "draft": draft,
        "changes": [each.change for each in draft.steps if each.change.changes_anything],
        "values": values,
        "errors": errors,
        "reason": _why_not(ctx, row, draft),
    }
    return ctx.render("console/stack_return.html", context, status=422 if errors else 200)


def _why_not(ctx: RequestContext, row: Stack, draft: StackDraft) -> str:
    """Why going back is not possible now; empty when it is."""
    decision = verdict(ctx.actor, "upgrade", row)
    if not decision:
        return decision.reason
    return " ".join(draft.problems) or ("" if draft.changes_anything else _("There is no difference."))
