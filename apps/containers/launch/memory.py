"""Limits of memory that no engine takes, as they are too small or contradict each other, are refused. Pure."""

from __future__ import annotations

from apps.core.errors import Invalid

MIN_MEMORY = 6 * 1024 * 1024  # what engines since 20.10 ask for; with less not even their runtime starts
_SMALLEST = "6 MB (6291456 bytes)"


def check_memory(memory: int | None, swap: int | None, reservation: int | None, at: str = "") -> None:
    """Refuse what no engine takes; all three in bytes, 0 and None say nothing. Raises `Invalid` on the field."""
    if memory and memory < MIN_MEMORY:
        why = f"{at}memory is {memory} bytes, and engines take no limit below {_SMALLEST}: raise it, or leave it out."
        raise Invalid(f"{at}memory", "MinLimitExceeded", why)
    if reservation and reservation < MIN_MEMORY:
        why = f"{at}memoryReservation is {reservation} bytes, and engines take none below {_SMALLEST}"
        raise Invalid(f"{at}memoryReservation", "MinLimitExceeded", f"{why}: raise it, or leave it out.")
    if memory and reservation and reservation > memory:
        why = f"{at}memoryReservation ({reservation} bytes) is above the limit in memory ({memory} bytes)"
        raise Invalid(f"{at}memoryReservation", "MaxLimitExceeded", f"{why}: reserve less, or raise the limit.")
    if swap and swap > 0 and not memory:
        why = f"{at}memorySwap is memory and swap together: say how much of it is memory, or leave it out."
        raise Invalid(f"{at}memorySwap", "InvalidOption", why)
    if swap and memory and 0 < swap < memory:
        why = f"{at}memorySwap ({swap} bytes) is memory and swap together, and less than memory ({memory} bytes) alone"
        raise Invalid(f"{at}memorySwap", "MinLimitExceeded", f"{why}: raise it, or set -1 for no limit of swap.")
