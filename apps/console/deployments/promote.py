"""Promoting a stack: where to, which revision and services, with which values; what that would do; then requested."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.stacks import find
from apps.core.errors import Problem
from apps.core.ids import parse_key
from apps.environments.models import Environment
from apps.stacks.models import Stack
from apps.stacks.promotions.content import SourceFiles, source_files, used_variables
from apps.stacks.promotions.preview import PromotionContent, PromotionPreview, find_target
from apps.stacks.promotions.rules import rules_of
from apps.stacks.promotions.selectors import promotion_targets
from apps.stacks.promotions.services import PromotionRequest, promotion_preview, promotion_request
from apps.stacks.stack_revisions import stack_revisions_of

MAX_REVISIONS = 50
_VALUE = "var."


@member_required
def promote(ctx: RequestContext, pk: int) -> HttpResponse:
    """Show the form, what the promotion would do, or request it; only what was looked at is requested."""
    ctx.require_permission("values")
    row = find(ctx, pk)
    sent = ctx.request.POST if ctx.request.method == "POST" else ctx.request.GET
    targets = promotion_targets(ctx.actor, row)
    target = _chosen(sent, targets)
    errors: dict[str, str] = {}
    preview: PromotionPreview | None = None
    if target is not None and ctx.request.method == "POST":
        try:
            request = _request(sent, row, target)
            is_looked_at = sent.get("previewed", "") == _digest(sent)
            if sent.get("step") == "apply" and is_looked_at:
                made = promotion_request(request, actor=ctx.actor)
                text = _("Requested the promotion of %(name)s to %(where)s.")
                return ctx.success_response(text % {"name": row.name, "where": target.name}, buttons.row_url(made, ""))
            preview = promotion_preview(request, actor=ctx.actor)
        except Problem as problem:
            errors = {problem.field if problem.field in {"note", "services"} else "form": problem.message}
    files, wrong = _source_files(ctx, row, sent)
    if wrong:
        errors.setdefault("form", wrong)
    context = {
        "row": row,
        "targets": targets,
        "target": target,
        "revisions": list(stack_revisions_of(row)[:MAX_REVISIONS]),
        "chosen_revision": sent.get("revision", ""),
        "services": [(name, name in sent.getlist("service")) for name in _service_names(row)],
        "variables": _variables(ctx, row, target, files, sent),
        "values": {"note": sent.get("note", "")},
        "removes": bool(sent.get("removeMissing")),
        "errors": errors,
        "preview": preview,
        "changes": preview.changes if preview else (),
        "previewed": _digest(sent),
        "rules": rules_of(target.pk) if target is not None else None,
    }
    return ctx.render("console/stack_promote.html", context, status=422 if errors else 200)


def _chosen(sent: QueryDict, targets: list[Environment]) -> Environment | None:
    """The environment that the form names; the only one there is without a choice."""
    key = parse_key(sent.get("to", ""))
    found = next((each for each in targets if each.pk == key), None)
    return found or (targets[0] if len(targets) == 1 else None)


def _revision(sent: QueryDict) -> int | None:
    return parse_key(sent.get("revision", "")) or None


def _service_names(row: Stack) -> list[str]:
    return list(row.services.filter(removed=None).order_by("name").values_list("name", flat=True))


def _source_files(ctx: RequestContext, row: Stack, sent: QueryDict) -> tuple[SourceFiles | None, str]:
    try:
        return source_files(row, _revision(sent), actor=ctx.actor), ""
    except Problem as problem:
        return None, problem.message


def _request(sent: QueryDict, row: Stack, target: Environment) -> PromotionRequest:
    given = {name.removeprefix(_VALUE): sent.get(name, "") for name in sent if name.startswith(_VALUE)}
    own = _own_variables(row, target)
    return PromotionRequest(
        source=row,
        environment=target,
        revision=_revision(sent),
        services=sent.getlist("service"),
        # What is empty, or as the target has it, stays the target's own.
        variables={name: value for name, value in given.items() if value not in {own.get(name), ""}},
        remove_missing=bool(sent.get("removeMissing")),
        note=sent.get("note", ""),
        based_on=sent.get("basedOn", ""),
    )


def _own_variables(row: Stack, target: Environment) -> dict[str, Any]:
    """The variables that the target stack has."""
    found = find_target(PromotionContent(SourceFiles("", "", {}, None), target, row.name))
    return dict(found.variables) if found is not None else {}


def _variables(
    ctx: RequestContext, row: Stack, target: Environment | None, files: SourceFiles | None, sent: QueryDict
) -> list[tuple[str, str, str]]:
    """The variables of the files: name, the source's value, and the target's as it is or was typed."""
    if files is None or target is None:
        return []
    may_see = "values" in ctx.actor.permissions(target.pk)
    own = _own_variables(row, target) if may_see else {}
    used = used_variables(files.docker_compose, files.rancher_compose)
    return [(name, files.variables.get(name, ""), sent.get(_VALUE + name, str(own.get(name, "")))) for name in used]


def _digest(sent: QueryDict) -> str:
    """Changes whenever the form does: what was edited after the preview is looked at again first."""
    ignored = {"note", "basedOn", "previewed", "step", "csrfmiddlewaretoken"}
    said = {name: sent.getlist(name) for name in sent if name not in ignored}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]
