"""The dialog that renames or describes a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpResponse

from apps.console.components.edit_form import Edit, handle_edit
from apps.console.request_context import RequestContext


def rename(ctx: RequestContext, row: Any, update: Callable[..., Any]) -> HttpResponse:
    """Show the dialog, or save with the kind's service `update`; its refusal is shown at the field."""
    edit = Edit(ctx, {"name": row.name, "description": row.description}, row)
    return handle_edit(edit, parse=lambda: sent_texts(ctx), save=partial(update, row, actor=ctx.actor))


def sent_texts(ctx: RequestContext) -> dict[str, str]:
    """Name and description as submitted."""
    return {name: ctx.request.POST.get(name, "").strip() for name in ("name", "description")}
