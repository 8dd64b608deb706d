"""Times in words: how long ago, and how long it took."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

_SPANS = ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min"))


def _short(seconds: float) -> str:
    if seconds < 5:
        return _("just now")
    for span, unit in _SPANS:
        if seconds >= span:
            return _("%(count)d %(unit)s ago") % {"count": int(seconds // span), "unit": unit}
    return _("%(count)d s ago") % {"count": int(seconds)}


def ago(at: datetime | str | None) -> SafeString | str:
    """How long ago, with the exact time in the tooltip; the browser keeps it current."""
    moment = parse_datetime(at) if isinstance(at, str) and at else at
    if not isinstance(moment, datetime) or moment.year < 1971:
        return "–"
    text = _short((timezone.now() - moment).total_seconds())
    stamp = timezone.localtime(moment).isoformat(timespec="seconds")
    return format_html('<time datetime="{}" data-ago title="{}">{}</time>', stamp, stamp, text)


def lasted(operation: Any) -> str:
    """How long an operation took, or takes by now."""
    seconds = ((operation.ended or timezone.now()) - operation.created).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
