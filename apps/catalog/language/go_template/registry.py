"""How functions of templates are declared, and how they look at their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.catalog.language.go_template.errors import FunctionError
from apps.catalog.language.go_template.literals import INT_MAX, INT_MIN
from apps.catalog.language.go_template.values import kind_of, show


@dataclass(frozen=True, slots=True)
class Registered:
    """A function, and how many arguments it takes; `most` is None without a limit."""

    call: Callable[..., Any]
    least: int
    most: int | None

    def check_count(self, count: int) -> None:
        """Refuse too few or too many arguments. Raises `FunctionError`."""
        if self.least <= count and (self.most is None or count <= self.most):
            return
        wanted = f"at least {self.least}" if self.most != self.least and count < self.least else str(self.least)
        wanted = f"at most {self.most}" if self.most not in {None, self.least} and count > self.least else wanted
        raise FunctionError(f"it takes {wanted} argument{'' if wanted.endswith(' 1') or wanted == '1' else 's'}")


class Functions:
    """Functions by their names; add them as a decorator does."""

    def __init__(self) -> None:
        self.entries: dict[str, Registered] = {}

    def add(self, *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a function under these names."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            parameters = inspect.signature(function).parameters.values()
            plain = [each for each in parameters if each.kind is not inspect.Parameter.VAR_POSITIONAL]
            least = sum(each.default is inspect.Parameter.empty for each in plain)
            most = len(plain) if len(plain) == len(parameters) else None
            for name in names:
                self.entries[name] = Registered(function, least, most)
            return function

        return register


def as_text(value: Any) -> str:
    """The argument as a text. Raises `FunctionError` if it is something else."""
    if not isinstance(value, str):
        raise FunctionError(f"it needs a text, not a value of the kind {kind_of(value)}")
    return value


def as_int(value: Any) -> int:
    """The argument as an integer. Raises `FunctionError` if it is something else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FunctionError(f"it needs an integer, not a value of the kind {kind_of(value)}")
    return value


def as_list(value: Any) -> list[Any]:
    """The argument as a list. Raises `FunctionError` if it is something else."""
    if not isinstance(value, list):
        raise FunctionError(f"it needs a list, not a value of the kind {kind_of(value)}")
    return value


def as_map(value: Any) -> dict[str, Any]:
    """The argument as a map. Raises `FunctionError` if it is something else."""
    if not isinstance(value, dict):
        raise FunctionError(f"it needs a map, not a value of the kind {kind_of(value)}")
    return value


def to_text(value: Any) -> str:
    """The text of any value, as Sprig makes it; nothing is an empty text."""
    return "" if value is None else show(value)


def to_texts(value: Any) -> list[str]:
    """The texts of a list, without what is nothing in it; another value is a list of one."""
    if isinstance(value, list):
        return [to_text(each) for each in value if each is not None]
    return [] if value is None or isinstance(value, Mapping) else [to_text(value)]


def to_int(value: Any) -> int:
    """The integer that a value stands for, as Sprig converts it; 0 if it stands for none."""
    try:
        if isinstance(value, str):
            return clamp(int(value.strip(), 0) if value[:1] != "0" else int(value, 10))
        return clamp(int(value)) if isinstance(value, bool | int | float) else 0
    except (ValueError, OverflowError):
        return 0


def to_float(value: Any) -> float:
    """The float that a value stands for; 0 if it stands for none."""
    try:
        return float(value) if isinstance(value, str | bool | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0


def clamp(number: int) -> int:
    """The nearest integer of 64 bits."""
    return max(INT_MIN, min(INT_MAX, number))


def wrap(number: int) -> int:
    """What 64 bits keep of an integer, as Go's arithmetic does."""
    return (number - INT_MIN) % 2**64 + INT_MIN
