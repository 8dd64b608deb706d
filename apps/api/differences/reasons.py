"""Why something of the reference's v1 is different here: one line for each kind of difference."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from apps.api.differences.absent_types import ABSENT_TYPES
from apps.api.differences.comparison import SchemaDifference
from apps.api.differences.declared import DECLARED


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: `types` and `parts` are patterns (`*` for anything), separated by commas."""

    types: str
    parts: str
    why: str

    def explains(self, difference: SchemaDifference) -> bool:
        """Whether this is the reason of a difference."""
        return _matches(self.types, difference.type) and _matches(self.parts, difference.part)


def _matches(patterns: str, word: str) -> bool:
    return any(fnmatchcase(word, each.strip()) for each in patterns.split(","))


def parse_reasons(lines: str) -> tuple[Reason, ...]:
    """Parse reasons written one per line as `types | parts | why`; an indented line continues the one before it."""
    joined = re.sub(r"\n +", " ", textwrap.dedent(lines))
    return tuple(_parse_line(line) for line in joined.splitlines() if line.strip())


def _parse_line(line: str) -> Reason:
    words = [word.strip() for word in line.split("|")]
    if len(words) != 3 or not all(words):
        raise ValueError(f"A reason is `types | parts | why`, not: {line.strip()}")
    return Reason(*words)


REASONS = (
    *(Reason(name, "type", why) for why, names in ABSENT_TYPES.items() for name in names.split()),
    *parse_reasons(DECLARED),
)


def reason_for(difference: SchemaDifference, reasons: Iterable[Reason] = REASONS) -> str:
    """Why the difference is there; empty when nothing says so."""
    return next((each.why for each in reasons if each.explains(difference)), "")
