"""Sizes as people read them, the same in every command and as in the console: a KB has 1024 bytes."""

from __future__ import annotations

_UNITS = ("KB", "MB", "GB")


def size_text(size: float | None) -> str:
    """A number of bytes; empty where it is not known."""
    if size is None:
        return ""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in _UNITS:
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TB"


def counted(number: int, noun: str) -> str:
    """The number with its noun, which takes an s where there are several: 1 image, 2 images."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
