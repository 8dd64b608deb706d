"""What a simulated engine takes from around it: the time, random identifiers and timers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

Cancel = Callable[[], object]
Schedule = Callable[[float, Callable[[], None]], Cancel]


def no_timers(_delay: float, _action: Callable[[], None]) -> Cancel:
    """The schedule of an engine on which nothing happens by itself."""
    return lambda: None


@dataclass(frozen=True, slots=True)
class Runtime:
    """`now` is unix time in nanoseconds, `random_hex` takes a number of bytes, `schedule` calls back after seconds."""

    now: Callable[[], int] = time.time_ns
    random_hex: Callable[[int], str] = secrets.token_hex
    schedule: Schedule = no_timers
    max_log_lines: int = 1000  # for each container, of which one process may hold thousands
