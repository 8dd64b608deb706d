"""Sets of characters as catalogs write them for answers: `a-zA-Z0-9_`, as in the brackets of a regular expression."""

from __future__ import annotations

from collections.abc import Callable, Iterator

_NAMED: dict[str, Callable[[str], bool]] = {
    "d": str.isdigit,
    "s": str.isspace,
    "w": lambda character: character.isalnum() or character == "_",
}
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r"}


class CharClass:
    """Says of a character whether it is in the set."""

    def __init__(self, text: str) -> None:
        self._ranges: list[tuple[str, str]] = []
        self._named: list[Callable[[str], bool]] = []
        parts = list(_split(text))
        while parts:
            part = parts.pop(0)
            if len(part) == 2:
                self._named.append(_NAMED[part[1]])
            elif len(parts) > 1 and parts[0] == "-" and len(parts[1]) == 1:
                self._ranges.append((part, parts[1]))
                del parts[:2]
            else:
                self._ranges.append((part, part))

    def __contains__(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self._ranges) or any(
            is_one(character) for is_one in self._named
        )


def _split(text: str) -> Iterator[str]:
    r"""Single characters, and those of `\d`, `\s` and `\w` with their backslash."""
    escaped = False
    for character in text:
        if escaped:
            yield f"\\{character}" if character in _NAMED else _SIMPLE.get(character, character)
        elif character != "\\":
            yield character
        escaped = character == "\\" and not escaped
    if escaped:
        yield "\\"
