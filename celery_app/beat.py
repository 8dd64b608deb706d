"""Everything that runs by the clock, one table; periods in seconds."""

from __future__ import annotations

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "resync": {"task": "control.resync", "schedule": 2.0, "options": {"expires": 10}},
}
