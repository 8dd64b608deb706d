"""Secrets that a value tells by the names of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apps.core.redact.names import holds_values, is_secret, is_telling


def found_in(value: Any) -> Iterator[str]:
    """The texts in secret fields, and environment values whose names tell that they are secrets."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if is_secret(str(name)):
                yield from _texts(each)
            elif holds_values(str(name)):
                yield from (text for key, text in _pairs(each) if is_telling(key))
            else:
                yield from found_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from found_in(each)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _pairs(value: Any) -> Iterator[tuple[str, str]]:
    """Environment variables, however they are written."""
    if isinstance(value, Mapping):
        yield from ((str(key), str(each)) for key, each in value.items())
        return
    lines = value.splitlines() if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    yield from (str(line).partition("=")[::2] for line in lines)
