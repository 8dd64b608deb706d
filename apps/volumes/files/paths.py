"""Paths inside volumes, as people write them; pure."""

from __future__ import annotations

from apps.core.errors import Invalid
from apps.core.texts import is_storable

MAX_PATH, MAX_DEPTH = 4096, 64


def parse_path(field: str, path: str) -> tuple[str, ...]:
    """The parts of a path from the top of the volume. Raises `Invalid` for one that leads out of it, or is too long."""
    if len(path) > MAX_PATH:
        raise Invalid(field, "MaxLengthExceeded", f"{field} must not be longer than {MAX_PATH} characters.")
    if not is_storable(path):
        raise Invalid(field, "InvalidCharacters", f"{field} must not contain NUL or broken Unicode.")
    parts = tuple(part for part in path.split("/") if part not in {"", "."})
    if ".." in parts:
        message = f"{field}: `..` is refused; write the path from the top of the volume."
        raise Invalid(field, "InvalidCharacters", message)
    if len(parts) > MAX_DEPTH:
        raise Invalid(field, "MaxLengthExceeded", f"{field} must not have more than {MAX_DEPTH} folders.")
    return parts
