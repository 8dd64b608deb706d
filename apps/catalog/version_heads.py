"""What a version is called, read from the first lines of its file without parsing it.

A catalog of nine thousand versions is indexed from these alone; YAML is parsed when somebody looks at a version. Read
are the plain values of the section `.catalog` (or `catalog`), which stand in lines of their own in every catalog.
"""

from __future__ import annotations

import re

_SECTION = re.compile(r"^(?P<indent> *)(['\"]?)\.?catalog\2\s*:\s*(?:#.*)?$", re.MULTILINE)
_VALUE = re.compile(r"^(?P<indent> +)(?P<key>[a-z_]+)\s*:\s*(?P<value>[^\n]*)$")
WANTED = frozenset({"name", "version", "upgrade_from", "minimum_rancher_version", "maximum_rancher_version"})
MAX_HEAD = 65_536


def read_head(content: bytes) -> dict[str, str]:
    """The wanted values of the section that describes the version; what is not there is left out."""
    text = content[:MAX_HEAD].decode("utf-8", "replace")
    section = _SECTION.search(text)
    if section is None:
        return {}
    found: dict[str, str] = {}
    level = 0
    for line in text[section.end() :].splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip(" "))
        if indent <= len(section["indent"]):
            break
        level = level or indent
        value = _VALUE.match(line) if indent == level else None
        if value is not None and value["key"] in WANTED:
            found.setdefault(value["key"], _plain(value["value"]))
    return found


def _plain(text: str) -> str:
    """A scalar without its quotes or the comment behind it."""
    text = text.strip()
    if text[:1] in {"'", '"'}:
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else text[1:]
    return text.partition(" #")[0].strip()
