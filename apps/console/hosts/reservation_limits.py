"""How much of a host may be reserved, as people type it: MB of memory and processors."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from apps.core.errors import Invalid

MIB = 1024 * 1024


def parse_limit(field: str, text: str, factor: int) -> int | None:
    """A number in units of `factor`; an empty one is no limit. Raises `Invalid`."""
    typed = text.strip()
    if not typed:
        return None
    try:
        value = Decimal(typed[:20])
    except InvalidOperation:
        raise Invalid(field, "InvalidFormat", _("Write a number, or leave it empty for the whole host.")) from None
    if not value.is_finite() or value <= 0:
        raise Invalid(field, "InvalidFormat", _("Write a number above 0, or leave it empty for the whole host."))
    return max(1, int(value * factor))


def format_limit(value: int | None, factor: int) -> str:
    """The number as it is typed."""
    return f"{Decimal(value) / factor:f}" if value else ""
