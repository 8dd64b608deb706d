"""The small notations of compose files: sizes, durations, ranges of ports, lists that may be maps."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

_SIZES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIMES = {"us": Decimal("0.001"), "ms": Decimal(1), "s": Decimal(1000), "m": Decimal(60_000), "h": Decimal(3_600_000)}


def size(value: Any) -> int:
    """Bytes of `512m`, `1.5gb`, `1024` or -1 (no limit)."""
    found = re.fullmatch(r"(-?[0-9]{1,20}(?:\.[0-9]{1,9})?) ?([bkmgt]?)(?:i?b)?", str(value).strip().lower())
    if not found:
        raise ValueError("write a size such as 512m or 1g")
    return int(Decimal(found[1]) * _SIZES[found[2]])


def milliseconds(value: Any) -> int:
    """Milliseconds of `1m30s`, `500ms` or plain seconds."""
    text = str(value).strip()
    text += "s" if re.fullmatch(r"[0-9.]+", text) else ""
    if not re.fullmatch(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:us|ms|s|m|h))+", text):
        raise ValueError("write a time such as 30s or 1m30s")
    return int(sum(Decimal(n) * _TIMES[unit] for n, unit in re.findall(r"([0-9.]+)(us|ms|s|m|h)", text)))


def nano_cpus(value: Any) -> int:
    """Billionths of a processor of `0.5`."""
    try:
        return int(Decimal(str(value).strip()[:30]) * 10**9)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError("write a number of processors such as 0.5") from None


def yes(value: Any) -> Any:
    """A YAML 1.1 truth as one that everybody knows; anything else stays for the check."""
    words = {"yes": True, "on": True, "y": True, "true": True, "no": False, "off": False, "n": False, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value
