"""Numbers with their nouns, in messages of the loop and the API that are kept as they are and not translated."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """The number with its noun, which takes an s unless there is one: 1 image, 2 images, 0 images."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
