"""Patterns of the tags that a webhook may upgrade to: `*` stands for any characters, `?` for one. Pure.

No regular expressions: whoever sends a tag must not be able to keep a worker busy with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from apps.core.errors import Invalid

FIELD = "tagPatterns"
MAX_PATTERNS = 10
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9_.*?-]{1,128}", re.ASCII)


def parse_tag_patterns(value: Any) -> tuple[str, ...]:
    """Patterns that somebody typed or sent, without empty ones. Raises `Invalid`."""
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Invalid(FIELD, "InvalidFormat", f"{FIELD} is a list of texts such as ['1.*', 'stable'].")
    found: dict[str, None] = {}
    for each in value:
        if not isinstance(each, str):
            raise Invalid(FIELD, "InvalidFormat", f"{FIELD} is a list of texts such as ['1.*', 'stable'].")
        if not each.strip():
            continue
        if not _PATTERN.fullmatch(each.strip()):
            why = f"{each[:60]!r} is no pattern of tags: letters, digits, '_', '.', '-', '*' and '?', 128 at most."
            raise Invalid(FIELD, "InvalidFormat", why)
        found[each.strip()] = None
    if len(found) > MAX_PATTERNS:
        raise Invalid(FIELD, "MaxLimitExceeded", f"At most {MAX_PATTERNS} patterns are possible.")
    return tuple(found)


def parse_tag(value: Any, patterns: Iterable[str], field: str = "tag") -> str:
    """The tag that a call names, if the patterns allow it; without patterns every tag is. Raises `Invalid`."""
    if value is None or value == "":
        raise Invalid(field, "MissingRequired", f"{field} is required: the tag to upgrade to, such as 1.4.2.")
    if not isinstance(value, str):
        raise Invalid(field, "InvalidFormat", f"{field} is a text, such as 1.4.2.")
    if not _TAG.fullmatch(value):
        why = f"{value[:60]!r} is no tag: letters, digits, '_', '.' and '-', 128 at most, and no '.' or '-' first."
        raise Invalid(field, "InvalidFormat", why)
    allowed = list(patterns)
    if allowed and not any(is_match(each, value) for each in allowed):
        why = f"This webhook may not upgrade to {value!r}: it is limited to tags like {', '.join(allowed)}."
        raise Invalid(field, "InvalidOption", why)
    return value


def is_match(pattern: str, tag: str) -> bool:
    """Whether the whole tag is like the pattern; takes at most the product of their lengths in steps."""
    at, place = 0, 0
    star, retry = -1, 0
    while at < len(tag):
        if place < len(pattern) and pattern[place] == "*":
            star, retry = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in {"?", tag[at]}:
            place, at = place + 1, at + 1
        elif star >= 0:  # let the last star stand for one character more
            retry += 1
            place, at = star + 1, retry
        else:
            return False
    return pattern[place:].strip("*") == ""
