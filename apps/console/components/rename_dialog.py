"""The dialog that renames or describes a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.request_context import RequestContext
from apps.core.errors import Invalid


def rename(ctx: RequestContext, row: Any, update: Callable[..., Any]) -> HttpResponse:
    """Show the dialog, or save with the kind's service `update`; its refusal is shown at the field."""
    errors = {}
    if ctx.request.method == "POST":
        try:
            changes = {name: ctx.request.POST.get(name, "").strip() for name in ("name", "description")}
            update(row, actor=ctx.actor, **changes)
            return ctx.success_response(_("Saved."))
        except Invalid as problem:
            errors = {problem.field or "name": problem.message}
    return ctx.render("console/edit.html", {"row": row, "errors": errors}, status=422 if errors else 200)
