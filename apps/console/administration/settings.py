"""The settings of the installation: their values, their defaults, and how many rows a retention keeps."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.request_context import RequestContext, admin_required, post_required
from apps.control.selectors import retained_counts
from apps.core.defaults import DEFAULTS, SettingDefinition
from apps.core.edits import BasedOn
from apps.core.errors import NotFound
from apps.core.models import Setting
from apps.core.services import setting_reset, setting_write


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as the table shows it; `kept` is how many rows its retention holds now."""

    name: str
    definition: SettingDefinition
    value: str
    is_set: bool
    kept: int | None = None


@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """All settings; the ones that can break clients are behind a warning."""
    stored = dict(Setting.objects.filter(name__in=list(DEFAULTS)).values_list("name", "value"))
    sizes = retained_counts(ctx.actor)
    rows = [
        SettingRow(name, definition, stored.get(name, definition.value), name in stored, sizes.get(name))
        for name, definition in sorted(DEFAULTS.items())
        if not definition.has_own_page
    ]
    context = {
        "plain": [row for row in rows if not row.definition.advanced],
        "advanced": [row for row in rows if row.definition.advanced],
    }
    return ctx.render("console/settings.html", context)


@admin_required
@post_required
def save(ctx: RequestContext, name: str) -> HttpResponse:
    """Save a setting; an empty value or the default itself resets it."""
    definition = DEFAULTS.get(name)
    if definition is None:
        raise NotFound(_("There is no such setting."))
    value = ctx.request.POST.get("value", "").strip()[:4096]
    based_on = BasedOn(None, {"value": ctx.request.POST["seen"]}) if "seen" in ctx.request.POST else None
    if value in {"", definition.value}:
        setting_reset(name, actor=ctx.actor, based_on=based_on)
        return ctx.success_response(_("%(name)s was reset to its default.") % {"name": name})
    setting_write(name, value, actor=ctx.actor, based_on=based_on)
    return ctx.success_response(_("Saved."))
