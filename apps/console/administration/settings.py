"""The settings of the installation: their values, their defaults, and how many rows a retention keeps."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.administration.setting_sections import (
    ADVANCED,
    SECTIONS,
    SettingLabel,
    SettingSection,
)
from apps.console.request_context import RequestContext, admin_required, post_required
from apps.control.selectors import retained_counts
from apps.core.defaults import DEFAULTS, SettingDefinition
from apps.core.edits import BasedOn
from apps.core.errors import Invalid, NotFound
from apps.core.models import Setting
from apps.core.services import setting_reset, setting_write


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as the page shows it; `kept` is how many rows its retention holds now."""

    name: str
    text: SettingLabel
    definition: SettingDefinition
    value: str
    is_set: bool
    kept: int | None = None

    @property
    def shown(self) -> str:
        """The value in the unit of the page."""
        return self.text.to_shown(self.value)

    @property
    def shown_default(self) -> str:
        """The default in the unit of the page."""
        return self.text.to_shown(self.definition.value)

    @property
    def bounds(self) -> tuple[str, str]:
        """The lowest and the highest number that may be typed."""
        return self.text.to_shown(self.definition.low), self.text.to_shown(self.definition.high)


@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """All settings by section; the ones that can break clients are behind a warning."""
    stored = dict(Setting.objects.filter(name__in=list(DEFAULTS)).values_list("name", "value"))
    sizes = retained_counts(ctx.actor)

    def rows(section: SettingSection) -> list[SettingRow]:
        return [
            SettingRow(
                name, text, DEFAULTS[name], stored.get(name, DEFAULTS[name].value), name in stored, sizes.get(name)
            )
            for name, text in section.settings.items()
        ]

    context = {
        "sections": [(section, rows(section)) for section in SECTIONS],
        "advanced": (ADVANCED, rows(ADVANCED)),
    }
    return ctx.render("console/settings.html", context)


@admin_required
@post_required
def save(ctx: RequestContext, section: str) -> HttpResponse:
    """Save what was changed in a section, all of it or nothing; or reset one setting of it to its default."""
    found = next((each for each in (*SECTIONS, ADVANCED) if each.slug == section), None)
    if found is None:
        raise NotFound(_("There is no such section of settings."))
    names = list(found.settings)
    if reset := ctx.request.POST.get("reset"):
        names = [name for name in names if name == reset]
    with transaction.atomic():
        changed = [name for name in names if _save_one(ctx, name, found.settings[name], is_reset=bool(reset))]
    if not changed:
        return ctx.success_response(_("Nothing was changed."), changed=False)
    return ctx.success_response(_("Saved.") if not reset else _("Reset to its default."))


def _save_one(ctx: RequestContext, name: str, text: SettingLabel, *, is_reset: bool) -> bool:
    """Save one setting if it was changed; an empty value or the default itself resets it."""
    sent, default = ctx.request.POST, DEFAULTS[name].value
    seen = sent.get(f"seen:{name}")
    value = "" if is_reset else text.to_stored(sent.get(name, "").strip()[:4096])
    is_kept = DEFAULTS[name].secret and not value  # it is not shown, so an empty field says nothing
    if not is_reset and (name not in sent or value == seen or is_kept):
        return False
    based_on = BasedOn(None, {"value": seen}) if seen is not None else None
    if value in {"", default}:
        setting_reset(name, actor=ctx.actor, based_on=based_on)
        return True
    try:
        setting_write(name, value, actor=ctx.actor, based_on=based_on)
    except Invalid as problem:
        raise Invalid(name, problem.code, f"{text.label}: {_describe_limits(text, name) or problem.message}") from None
    return True


def _describe_limits(text: SettingLabel, name: str) -> str:
    """What may be typed where the page has another unit than the setting, whose own message has the wrong numbers."""
    if text.per_unit == 1:
        return ""
    low, high = text.to_shown(DEFAULTS[name].low), text.to_shown(DEFAULTS[name].high)
    return _("a number from %(low)s to %(high)s, in %(unit)s.") % {"low": low, "high": high, "unit": text.unit}
