"""The throughput between two hosts, measured by a check on request: what is asked of their agents, what they report.

Pure. It takes the whole capacity of the way between them for seconds, so that it is never done by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_BYTES, SECONDS = 2**30, 5
"""In each direction: a gibibyte is a second of a fast link, five seconds are enough for a slow one."""
PORT = 4790


def task_of(host: str, measured: Sequence[str]) -> dict[str, Any] | None:
    """The part of a host's document that has it measure; None of one that takes no part in that."""
    if len(measured) != 2 or host not in measured:
        return None
    other = next(each for each in measured if each != host)
    return {"host": other, "first": host == measured[0], "bytes": MOST_BYTES, "seconds": SECONDS}


@dataclass(frozen=True, slots=True)
class ThroughputReport:
    """What one of the two reports: how many bits in a second came from `sender`; `reason` where nothing did."""

    sender: str
    bits_per_second: float | None
    reason: str = ""

    @classmethod
    def parse(cls, found: Any) -> ThroughputReport | None:
        """From what an agent reports; None where that is nothing of the kind."""
        if not isinstance(found, Mapping) or not isinstance(found.get("host"), str):
            return None
        amount, seconds = _number(found.get("bytes")), _number(found.get("seconds"))
        reason = found.get("reason")
        said = " ".join(reason.split())[:200] if isinstance(reason, str) else ""
        rate = 8 * amount / seconds if amount and seconds and not said else None
        return cls(found["host"][:64], rate, said or ("" if rate else "nothing arrived"))


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 2**53 else 0.0


def in_words(rate: float) -> str:
    """A rate as people read it."""
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6)):
        if rate >= size:
            return f"{rate / size:.3g} {unit}"
    return f"{rate / 1e3:.3g} kbit/s"
