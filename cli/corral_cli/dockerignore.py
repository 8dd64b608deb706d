"""What a `.dockerignore` leaves out of a context: patterns as Docker reads them, of which the last decides; pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import NamedTuple


class _Pattern(NamedTuple):
    regex: re.Pattern[str]
    keeps: bool


class IgnoreRules:
    """The rules of one file; paths are relative to the context, with slashes."""

    def __init__(self, lines: Iterable[str], always: Iterable[str] = ()) -> None:
        """`always` are paths that are sent whatever the lines say."""
        found = [_parse(line) for line in lines]
        self._patterns = [each for each in found if each is not None]
        self._always = frozenset(always)
        self.has_exceptions = any(each.keeps for each in self._patterns)
        """Whether a folder that is left out may have something in it that is sent all the same."""

    def leaves_out(self, path: str) -> bool:
        """Whether the path is left out, by itself or with a folder that it is in."""
        if path in self._always:
            return False
        parts = path.split("/")
        above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        is_left_out = False
        for pattern in self._patterns:
            if any(pattern.regex.fullmatch(each) for each in above):
                is_left_out = not pattern.keeps
        return is_left_out

    def must_be_entered(self, folder: str) -> bool:
        """Whether something below a folder that is left out may be sent."""
        return self.has_exceptions or any(path.startswith(f"{folder}/") for path in self._always)


def _parse(line: str) -> _Pattern | None:
    text = line.strip().lstrip("\ufeff")
    if not text or text.startswith("#"):
        return None
    keeps = text.startswith("!")
    text = text[1:].strip() if keeps else text
    text = posixpath.normpath(text).lstrip("/")
    return None if text in {"", "."} and keeps else _Pattern(re.compile(_regex(text), re.DOTALL), keeps)


def _regex(pattern: str) -> str:
    found, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            at += 2
            if pattern.startswith("/", at):
                at += 1
                found += "(?:.*/)?"
            else:
                found += ".*"
            continue
        character = pattern[at]
        at += 1
        if character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character == "[" and (end := pattern.find("]", at + 1)) > 0:
            inside = pattern[at:end].replace("\\", "\\\\")
            found += f"[{'^' + inside[1:] if inside[0] in '^!' else inside}]"
            at = end + 1
        elif character == "\\" and at < len(pattern):
            found += re.escape(pattern[at])
            at += 1
        else:
            found += re.escape(character)
    return found
