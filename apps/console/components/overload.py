"""The sentence above every page while the portal is behind with its work."""

from __future__ import annotations

from django.utils.translation import gettext as _

from apps.control.load import LoadLevel, level_at, seconds_behind, seconds_behind_for


def overload_notice(environment: int | None) -> str:
    """What is late in this environment (None: in any) and what is left out meanwhile; empty while nothing is."""
    behind = seconds_behind() if environment is None else seconds_behind_for(environment)
    level = level_at(behind)
    if level == LoadLevel.NORMAL:
        return ""
    left_out = {
        LoadLevel.NO_STATISTICS: _("no statistics are recorded until it has caught up."),
        LoadLevel.NO_HISTORY: _("statistics and host timelines pause until it has caught up."),
        LoadLevel.NO_PLACEMENTS: _(
            "statistics and host timelines pause, and new containers wait until it has caught up."
        ),
    }
    lead = _("The portal is overloaded: work starts %(seconds)d seconds late;") % {"seconds": int(behind)}
    return f"{lead} {left_out[level]}"
