"""Relative times and durations in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

_SPANS = ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min"))


def _span(seconds: float) -> str:
    for span, unit in _SPANS:
        if seconds >= span:
            return f"{int(seconds // span)} {unit}"
    return f"{int(seconds)} s"


def _short(seconds: float) -> str:
    return _("just now") if seconds < 5 else _("%(span)s ago") % {"span": _span(seconds)}


def ago(at: datetime | str | None, *, renewed: bool = False) -> SafeString | str:
    """How long ago, with the exact time in the tooltip; the browser keeps it current.

    A `renewed` time advances on the server without any event, so a page that shows one refreshes every minute.
    """
    moment = parse_datetime(at) if isinstance(at, str) and at else at
    if not isinstance(moment, datetime) or moment.year < 1971:
        return "–"
    text = _short((timezone.now() - moment).total_seconds())
    stamp = timezone.localtime(moment).isoformat(timespec="seconds")
    mark = mark_safe(" data-renew") if renewed else ""
    return format_html('<time datetime="{}" data-ago{} title="{}">{}</time>', stamp, mark, stamp, text)


def ahead(at: datetime) -> SafeString:
    """How soon ("in 40 s", "now" once it is due); the browser counts down."""
    left = (at - timezone.now()).total_seconds()
    text = _("in %(span)s") % {"span": _span(left)} if left >= 1 else _("now")
    stamp = timezone.localtime(at).isoformat(timespec="seconds")
    return format_html('<time datetime="{}" data-ahead title="{}">{}</time>', stamp, stamp, text)


def lasted(operation: Any) -> str:
    """How long an operation took, or has been running."""
    seconds = ((operation.ended or timezone.now()) - operation.created).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
