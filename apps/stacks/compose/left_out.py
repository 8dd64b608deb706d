"""Keys of compose files that are not carried over: those that compose has, and those that are misspelt; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from apps.stacks.compose.yaml_loader import LineMap

_LONGEST = 80
_ALIKE = 0.75


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A key that is not carried over, by its path in the file; `known` are the keys that it may have been meant for.

    One that compose has is no mistake: it has no `known`.
    """

    path: str
    line: int = 0
    name: str = ""
    owner: str = ""
    known: tuple[str, ...] = ()

    def describe(self) -> str:
        """A warning, not a refusal: compose and Rancher took files with keys that they did not know."""
        if not self.known:
            return f"`{self.path[:_LONGEST]}` is not carried over."
        line = f"line {self.line}: " if self.line else ""
        near = get_close_matches(self.name[:_LONGEST], self.known, n=1, cutoff=_ALIKE)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        return f"{line}`{self.path[:_LONGEST]}` is not a key of {self.owner} and is left out.{hint}"


def unknown_keys(
    given: Mapping[str, Any], known: Collection[str], owner: str, path: str = "", but: tuple[Any, ...] = (None,)
) -> Iterator[LeftOut]:
    """The keys of a map that it does not have, but for those of one's own (`x-`) and those without a value.

    `owner` is what the map is in messages, `path` where it stands in the file, `but` which values count as none.
    """
    candidates = tuple(known)
    for name, each in given.items():
        if name not in known and not name.startswith("x-") and each not in but:
            yield misspelt(name, given, candidates, owner, path)


def misspelt(name: str, given: Mapping[str, Any], known: tuple[str, ...], owner: str, path: str = "") -> LeftOut:
    """One key that a map does not have."""
    line = given.line(name) if isinstance(given, LineMap) else 0
    return LeftOut(f"{path}.{name}" if path else name, line, name, owner, known)
