"""What is known of a setting when nobody has set it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core.fields import LARGEST, integer, option, text

LONGEST = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """A known setting: what it is when nobody set it, what it may be, and whether non-admins see it.

    `options` are all the values there are, `low` and `high` bound a whole number, `pattern` what else is written how;
    `about` says what it does. `advanced` ones can harm, `elsewhere` ones are changed on a page of their own.
    """

    value: str
    about: str = ""
    public: bool = False
    options: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    pattern: str = ""
    advanced: bool = False
    elsewhere: bool = False

    def check(self, value: Any) -> str:
        """The value if it may be stored; raises `Invalid` with what it may be."""
        if self.options:
            return str(option(*self.options)("value", value))
        if self.low is not None or self.high is not None:
            return str(integer(self.low or 0, LARGEST if self.high is None else self.high)("value", value))
        return str(text(high=LONGEST, pattern=self.pattern or None, code="InvalidFormat")("value", value))


def known(value: str, about: str = "", **more: Any) -> Default:
    return Default(value=value, about=about, **more)


def number(value: str, low: int, high: int, about: str, **more: Any) -> Default:
    return Default(value=value, low=low, high=high, about=about, **more)
