"""Limits of memory that no engine takes, as they are too small or contradict each other, are refused. Pure."""

from __future__ import annotations

from apps.core.errors import Invalid
from apps.core.sizes import exact_size_text

MIN_MEMORY = 6 * 1024 * 1024  # what engines since 20.10 ask for; with less not even their runtime starts
_SMALLEST = exact_size_text(MIN_MEMORY)


def check_memory(memory: int | None, swap: int | None, reservation: int | None, at: str = "") -> None:
    """Refuse what no engine takes; all three in bytes, 0 and None say nothing. Raises `Invalid` on the field."""
    if memory and memory < MIN_MEMORY:
        why = f"The memory limit is {exact_size_text(memory)}, and engines take none below {_SMALLEST}"
        raise Invalid(f"{at}memory", "MinLimitExceeded", f"{why}: raise it, or leave it out.")
    if reservation and reservation < MIN_MEMORY:
        why = f"The reserved memory is {exact_size_text(reservation)}, and engines take none below {_SMALLEST}"
        raise Invalid(f"{at}memoryReservation", "MinLimitExceeded", f"{why}: raise it, or leave it out.")
    if memory and reservation and reservation > memory:
        why = f"The reserved memory ({exact_size_text(reservation)}) is above the limit ({exact_size_text(memory)})"
        raise Invalid(f"{at}memoryReservation", "MaxLimitExceeded", f"{why}: reserve less, or raise the limit.")
    if swap and swap > 0 and not memory:
        why = "Memory and swap are one limit of both together: set the memory limit as well, or leave it out."
        raise Invalid(f"{at}memorySwap", "InvalidOption", why)
    if swap and memory and 0 < swap < memory:
        why = f"Memory and swap together ({exact_size_text(swap)}) are less than the memory limit alone"
        why = f"{why} ({exact_size_text(memory)}): raise it, or set -1 for no limit of swap."
        raise Invalid(f"{at}memorySwap", "MinLimitExceeded", why)
