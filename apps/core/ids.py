"""Wire ids: `1i42` for the row 42 of a type whose letters are `i` (v1 contract, section 1.3)."""

from __future__ import annotations

import re

MAX_ID_LENGTH = 2048  # a directory's name of a person has at most 1,024 characters
_ID = re.compile(r"^1[a-z]{1,6}(?:!(?P<name>.+)|(?P<number>[0-9]{1,18}))$", re.ASCII)


def parse_key(text: str) -> int | None:
    """A primary key from a form or query; None for anything but ASCII digits that every database can hold."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def wire_id(letters: str, key: int | str) -> str:
    """The id of row `key` of the type with these letters; a key that is not a number is joined with `!`."""
    text = str(key)
    return f"1{letters}{text}" if text[:1].isdigit() else f"1{letters}!{text}"


def row_key(text: str) -> int | str | None:
    """The key behind a wire id: a number, or a name; None when it is not an id at all.

    Letters are not checked against a type, as in Rancher. A text that begins with a letter is taken as a name.
    """
    if len(text) > MAX_ID_LENGTH:
        return None
    match = _ID.match(text)
    if match:
        return match["name"] or int(match["number"])
    return text if text[:1].isalpha() else None


def row_number(text: object) -> int | None:
    """The row number behind a wire id, or None when it names no numbered row."""
    key = row_key(text) if isinstance(text, str) else None
    return key if isinstance(key, int) else None
