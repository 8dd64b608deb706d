"""The installation's settings: what is in force, what it would be by itself, and how much retention keeps."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.door import Visit, admins, posted
from apps.control.selectors import kept
from apps.core.defaults import DEFAULTS, Default
from apps.core.errors import NotFound
from apps.core.models import Setting
from apps.core.services import setting_reset, setting_write


@dataclass(frozen=True, slots=True)
class Line:
    """A setting as the table shows it; `kept` is how many rows its retention holds now."""

    name: str
    known: Default
    value: str
    is_set: bool
    kept: int | None = None


@admins
def index(visit: Visit) -> HttpResponse:
    """All of them, those that can harm behind a warning."""
    stored = dict(Setting.objects.filter(name__in=list(DEFAULTS)).values_list("name", "value"))
    sizes = kept(visit.actor)
    lines = [
        Line(name, known, stored.get(name, known.value), name in stored, sizes.get(name))
        for name, known in sorted(DEFAULTS.items())
        if not known.elsewhere
    ]
    context = {
        "plain": [line for line in lines if not line.known.advanced],
        "advanced": [line for line in lines if line.known.advanced],
    }
    return visit.show("console/settings.html", context)


@admins
@posted
def save(visit: Visit, name: str) -> HttpResponse:
    """Set one; the default's own value, or none where none is no value, puts it back."""
    known = DEFAULTS.get(name)
    if known is None:
        raise NotFound(_("There is no such setting."))
    value = visit.request.POST.get("value", "").strip()[:4096]
    if value in {"", known.value}:
        setting_reset(name, actor=visit.actor)
        return visit.done(_("%(name)s is what it is by default.") % {"name": name})
    setting_write(name, value, actor=visit.actor)
    return visit.done(_("Saved."))
