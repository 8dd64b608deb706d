"""The sentence above every page while the portal is behind with its work."""

from __future__ import annotations

from django.utils.translation import gettext as _

from apps.control.load import LoadLevel, load_level, seconds_behind


def overload_notice() -> str:
    """What is late and what is left out meanwhile; empty while nothing is."""
    level = load_level()
    if level == LoadLevel.NORMAL:
        return ""
    left_out = {
        LoadLevel.NO_STATISTICS: _("no statistics are recorded until it has caught up."),
        LoadLevel.NO_HISTORY: _("statistics and host timelines pause until it has caught up."),
        LoadLevel.NO_PLACEMENTS: _(
            "statistics and host timelines pause, and new containers wait until it has caught up."
        ),
    }
    lead = _("The portal is overloaded: work starts %(seconds)d seconds late;") % {"seconds": int(seconds_behind())}
    return f"{lead} {left_out[level]}"
