"""The dialog that renames or describes a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.door import Visit
from apps.core.errors import Invalid


def rename(visit: Visit, row: Any, update: Callable[..., Any]) -> HttpResponse:
    """Show it; or save what was typed by the kind's own service `update`, whose refusal is shown at its field."""
    errors = {}
    if visit.request.method == "POST":
        try:
            changes = {name: visit.request.POST.get(name, "").strip() for name in ("name", "description")}
            update(row, actor=visit.actor, **changes)
            return visit.done(_("Saved."))
        except Invalid as problem:
            errors = {problem.field or "name": problem.message}
    return visit.show("console/edit.html", {"row": row, "errors": errors}, status=422 if errors else 200)
