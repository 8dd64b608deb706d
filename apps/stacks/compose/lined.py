"""Maps that know their lines, and refusals that point at one."""

from __future__ import annotations

from typing import Any

from apps.core.errors import Invalid


class Lined(dict[str, Any]):
    """A map that knows in which line each of its keys stands."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def line(self, key: str) -> int:
        """The line of a key, 1 when unknown."""
        return self.lines.get(key, 1)


def wrong(field: str, line: int, message: str, code: str = "InvalidFormat") -> Invalid:
    """A refusal that points at a line."""
    return Invalid(field, code, f"line {line}: {message}")


def plain(value: Any) -> Any:
    """Without the lines: plain JSON."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value
