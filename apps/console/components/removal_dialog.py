"""The dialog that asks before something is deleted: what goes with it, and for large things their name typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components.removal_sections import removal_sections
from apps.console.request_context import RequestContext
from apps.core.errors import Forbidden
from apps.environments.access import verdict
from apps.stacks.removal_preview import removal_preview


def ask_removal_of_parts(
    ctx: RequestContext, row: Any, kind: str, *, remove: Callable[[], HttpResponse], **more: Any
) -> HttpResponse:
    """The same for what other things hang on: the dialog lists them, and says whether its name must be typed."""
    found = removal_preview(row)
    return ask_removal(
        ctx,
        row,
        remove=remove,
        ask=lambda: {"kind": kind, "sections": removal_sections(row, found), **more},
        is_large=lambda: found.must_type_name,
    )


def ask_removal(
    ctx: RequestContext,
    row: Any,
    *,
    remove: Callable[[], HttpResponse],
    ask: Callable[[], Mapping[str, Any]],
    is_large: Callable[[], bool] = lambda: False,
) -> HttpResponse:
    """Show the dialog with what `ask` says (`kind`, `consequences`), or call `remove` once it is confirmed.

    `is_large`: whether so much hangs on the row that its name must be typed; one Enter must not delete all that.
    """
    name, decision = str(row.name or row), verdict(ctx.actor, "remove", row)
    must_type, errors = (name if is_large() and not decision.is_forbidden else ""), {}
    if ctx.request.method == "POST":
        if decision.is_forbidden:
            raise Forbidden(decision.reason)
        if not must_type or ctx.request.POST.get("confirm", "").strip() == must_type.strip():
            return remove()
        errors = {"confirm": _("This is not its name. Type %(name)s, exactly as it is written.") % {"name": name}}
    reason = decision.reason if decision.is_forbidden else ""
    context = {"row": row, "must_type": must_type, "errors": errors, "disabled_reason": reason, **ask()}
    return ctx.render("console/remove.html", context, status=422 if errors else 200)
