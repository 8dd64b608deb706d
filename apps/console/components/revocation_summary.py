"""What a change revoked, in words."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.result import RevokedCounts


def describe_revoked(revoked_counts: Iterable[RevokedCounts]) -> str:
    """A sentence such as `Closed 2 sockets, 1 session; 3 keys lost rights.`, or nothing."""
    total = sum(revoked_counts, RevokedCounts())
    closed = [
        ngettext("%(count)d socket", "%(count)d sockets", total.sockets) % {"count": total.sockets},
        ngettext("%(count)d session", "%(count)d sessions", total.sessions) % {"count": total.sessions},
    ]
    counts = [text for text, count in zip(closed, (total.sockets, total.sessions), strict=True) if count]
    parts = [_("Closed %(what)s.") % {"what": ", ".join(counts)}] if counts else []
    if total.keys:
        parts.append(
            ngettext("%(count)d key lost rights.", "%(count)d keys lost rights.", total.keys) % {"count": total.keys}
        )
    return " ".join(parts)
