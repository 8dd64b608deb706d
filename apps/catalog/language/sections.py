"""The section `.catalog` of a compose file: found and taken out as lines, as the rest may be a Go template."""

from __future__ import annotations

import re
from collections.abc import Iterator

_START = re.compile(r"""(?P<indent>[ ]*)(?P<quote>['"]?)\.?catalog(?P=quote)[ ]*:""")
_INDENTED = re.compile(r"[ ]*")


def find_section(text: str) -> str | None:
    """The lines of the section with its key at the left margin, or None."""
    lines = text.splitlines()
    found = next(iter(_spans(lines)), None)
    if found is None:
        return None
    start, end, indent = found
    return "\n".join(line[indent:] for line in lines[start:end]) + "\n"


def without_section(text: str) -> str:
    """The text with the lines of the section left empty, so that what is said about other lines still fits them."""
    lines = text.splitlines()
    for start, end, _indent in _spans(lines):
        lines[start:end] = [""] * (end - start)
    return "\n".join(lines) + "\n"


def _spans(lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """First line, line after the last one, and indentation: at the top level, and in `services` of the second form."""
    in_services = False
    at = 0
    while at < len(lines):
        line = lines[at]
        found = _START.match(line)
        if _is_text(line) and not line.startswith(" "):
            in_services = line.partition("#")[0].rstrip() == "services:"
        if found is None or (found["indent"] and not in_services):
            at += 1
            continue
        indent = len(found["indent"])
        end = at + 1
        while end < len(lines) and (not _is_text(lines[end]) or _indent_of(lines[end]) > indent):
            end += 1
        yield at, end, indent
        at = end


def _is_text(line: str) -> bool:
    """Whether a line can end a section: comments and empty lines may stand at the margin inside one."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _indent_of(line: str) -> int:
    return len(_INDENTED.match(line)[0])  # type: ignore[index]
