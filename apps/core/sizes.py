"""Sizes in messages, written as in the console and on the command line: a KB has 1024 bytes, with one decimal. Pure."""

from __future__ import annotations

_UNITS = ("KB", "MB", "GB", "TB")


def size_text(size: float) -> str:
    """A number of bytes as people read it, such as `19.0 GB`."""
    if size < 1024:
        return f"{size:.0f} bytes"
    for unit in _UNITS[:-1]:
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} {_UNITS[-1]}"


def exact_size_text(size: int) -> str:
    """The same where nothing is rounded away, else all bytes: for sentences that compare two sizes."""
    for power, unit in enumerate(_UNITS, 1):
        if 10 * size % 1024**power == 0 and 1024**power <= size < 1024 ** (power + 1):
            return f"{size / 1024**power:.1f} {unit}"
    return f"{size:,} bytes"
