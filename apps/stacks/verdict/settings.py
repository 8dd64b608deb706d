"""How an upgrade is judged, as people set it: for how long, and what is done about a good and about a bad one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import Invalid
from apps.stacks.verdict.error_pattern import check_pattern

ASK, FINISH, ROLLBACK = "ask", "finish", "rollback"
MAX_MINUTES = 24 * 60
MOST_WINDOWS = 3  # how many times its time an upgrade may stay unclear before somebody is asked
FIELDS = ("minutes", "onGood", "onBad", "errorPattern")


@dataclass(frozen=True, slots=True)
class VerdictSettings:
    """The first batch is watched for `minutes` before others follow, and all containers as long once they are new.

    A good upgrade is then finished (`on_good` is finish), or somebody is asked to; a bad one is rolled back
    (`on_bad` is rollback), or stopped where it is until somebody decides. Lines of logs that match `error_pattern` are
    errors; empty: those that the default knows.
    """

    minutes: int = 10
    on_good: str = ASK
    on_bad: str = ASK
    error_pattern: str = ""

    def to_json(self) -> dict[str, Any]:
        """As v1 and the rows have it."""
        return {
            "minutes": self.minutes,
            "onGood": self.on_good,
            "onBad": self.on_bad,
            "errorPattern": self.error_pattern,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> VerdictSettings | None:
        """What a row has; None where upgrades are not judged."""
        if not stored:
            return None
        pattern = str(stored.get("errorPattern", ""))
        return cls(int(stored["minutes"]), str(stored["onGood"]), str(stored["onBad"]), pattern)


ENDS_BY_ITSELF = VerdictSettings(on_good=FINISH, on_bad=ROLLBACK)
"""How an upgrade is judged that a program begins and nobody watches."""


def parse_verdict(sent: Any, field: str = "verdict") -> VerdictSettings | None:
    """What was sent, checked; None where upgrades are not to be judged (0 minutes). Raises `Invalid`."""
    if sent is None:
        return None
    if not isinstance(sent, Mapping):
        raise Invalid(field, "InvalidFormat", f"{field} is an object such as {{'minutes': 10, 'onBad': 'rollback'}}.")
    unknown = sorted(str(name) for name in sent if name not in FIELDS)
    if unknown:
        why = f"{field} has no {unknown[0][:64]!r}; it has {', '.join(FIELDS)}."
        raise Invalid(f"{field}.{unknown[0][:64]}", "InvalidOption", why)
    default = VerdictSettings()
    found = VerdictSettings(
        _parse_minutes(sent.get("minutes", default.minutes), f"{field}.minutes"),
        _parse_word(sent.get("onGood", default.on_good), (ASK, FINISH), f"{field}.onGood"),
        _parse_word(sent.get("onBad", default.on_bad), (ASK, ROLLBACK), f"{field}.onBad"),
        check_pattern(sent.get("errorPattern") or "", f"{field}.errorPattern"),
    )
    return found if found.minutes else None


def _parse_minutes(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(field, "InvalidFormat", f"{field} is a whole number.")
    if value < 0:
        raise Invalid(field, "MinLimitExceeded", f"{field} is at least 1, or 0 for no verdict.")
    if value > MAX_MINUTES:
        raise Invalid(field, "MaxLimitExceeded", f"{field} is at most {MAX_MINUTES}, a day.")
    return value


def _parse_word(value: Any, allowed: tuple[str, ...], field: str) -> str:
    if value not in allowed:
        raise Invalid(field, "InvalidOption", f"{field} is {' or '.join(allowed)}.")
    return str(value)
