"""The fields of a form that says how containers are replaced or restarted in batches."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _

from apps.core.errors import Invalid
from apps.stacks.batches import MAX_READY, check_batches

DEFAULT_BATCHES: Mapping[str, str] = {
    "batchSize": "1",
    "interval": "2",
    "minReady": str(settings.MIN_READY_SECONDS),
}


def parse_batches(sent: QueryDict) -> tuple[int, int]:
    """Containers at a time and milliseconds between two batches. Raises `Invalid` about `batchSize` or `interval`."""
    batch, interval = sent.get("batchSize", "").strip(), sent.get("interval", "").strip().replace(",", ".")
    if not (batch.isascii() and batch.isdigit() and len(batch) < 9):
        raise Invalid("batchSize", "InvalidFormat", _("Enter how many containers at a time, such as 2."))
    whole, _point, fraction = interval.partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit() or len(interval) > 9:
        raise Invalid("interval", "InvalidFormat", _("Enter the pause between two batches in seconds, such as 2."))
    found = int(batch), int(float(interval) * 1000)
    try:
        check_batches(*found)
    except Invalid as problem:
        if problem.field == "intervalMillis":
            raise Invalid("interval", problem.code, _("The pause is from 0.1 to 86400 seconds.")) from None
        raise
    return found


def parse_min_ready(sent: QueryDict) -> int | None:
    """How many seconds a new container runs before it counts; left empty, it is the default. Raises `Invalid`."""
    text = sent.get("minReady", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= MAX_READY):
        reason = _("Enter whole seconds from 0 to %(most)d, such as 5.") % {"most": MAX_READY}
        raise Invalid("minReady", "InvalidFormat", reason)
    return int(text)
