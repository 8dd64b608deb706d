"""Blanking secrets by field name, by value in every disguise, and by shape, before anything is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.core.redact.disguises import disguises
from apps.core.redact.found import found_in
from apps.core.redact.names import holds_values, is_secret
from apps.core.redact.shapes import without_shapes

__all__ = ["BLANK", "redact"]

BLANK = "********"
LONGEST = 16_384  # a longer text is told by its length
SHORTEST = 4  # a shorter value that stands in a secret field would blank half the alphabet elsewhere


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy of JSON-like `value` without secret fields and environment values, and without what they hold elsewhere.

    `secrets` are further values to be blanked wherever and however they stand: plain, in base64, URL-encoded or
    escaped for JSON or HTML.
    """
    known = {*(each for each in secrets if each), *(each for each in found_in(value) if len(each) >= SHORTEST)}
    forms = sorted({form for secret in known for form in disguises(secret)}, key=len, reverse=True)
    return _redact(value, tuple(forms))


def _redact(value: Any, forms: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _field(str(key), each, forms) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(each, forms) for each in value]
    if isinstance(value, str):
        if len(value) > LONGEST:
            return f"[{len(value)} characters]"
        for form in forms:
            value = value.replace(form, BLANK)
        return without_shapes(value, BLANK)
    return value


def _field(name: str, value: Any, forms: tuple[str, ...]) -> Any:
    if is_secret(name) and value:
        return BLANK
    return _values(value, forms) if holds_values(name) else _redact(value, forms)


def _values(value: Any, forms: tuple[str, ...]) -> Any:
    """Environment variables as a map, as `NAME=value` lines or as a text of such lines: their names only."""
    if isinstance(value, Mapping):
        return dict.fromkeys(map(str, value), BLANK)
    if isinstance(value, list | tuple):
        return [_line(str(line)) for line in value]
    if isinstance(value, str) and "=" in value:
        return "\n".join(map(_line, value.splitlines()))
    return _redact(value, forms)


def _line(line: str) -> str:
    return f"{line.partition('=')[0]}={BLANK}" if "=" in line else line
