"""How Go sees values: kinds, truth, comparison, and what they look like when they are printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from apps.catalog.language.go_template.errors import FunctionError

NO_VALUE = "<no value>"


def kind_of(value: Any) -> str:
    """The kind of a value, as Go calls it."""
    for kind, types in _KINDS:
        if isinstance(value, types):
            return kind
    return "invalid"


_KINDS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("bool", bool), ("int", int), ("float64", float), ("string", str), ("slice", list), ("map", Mapping),
)  # fmt: skip


def type_of(value: Any) -> str:
    """The type of a value, as Go's `%T` prints it."""
    return {"slice": "[]interface {}", "map": "map[string]interface {}", "invalid": "<nil>"}.get(
        kind_of(value), kind_of(value)
    )


def is_true(value: Any) -> bool:
    """False, zero, nothing, and what is empty are false."""
    return bool(value)


def normalize(value: Any, depth: int = 0) -> Any:
    """A copy that consists of the types of this language; what is something else becomes its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > 20:
        return ""
    if isinstance(value, Mapping):
        return {str(key): normalize(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [normalize(each, depth + 1) for each in value]
    return str(value)


def show(value: Any) -> str:
    """What `%v` prints."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "<nil>", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{show(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(show(each) for each in value)}]"
    return str(value)


def show_float(value: float, high: int = 21) -> str:
    """The shortest text that stands for a float; exponents under -4 and from `high` on are written as such."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    power = len(text) + int(exponent) - 1
    minus = "-" if sign else ""
    if power < -4 or power >= high:
        rest = f".{text[1:]}" if len(text) > 1 else ""
        return f"{minus}{text[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if power < 0:
        return f"{minus}0.{'0' * (-power - 1)}{text}"
    whole, rest = text[: power + 1].ljust(power + 1, "0"), text[power + 1 :]
    return f"{minus}{whole}.{rest}" if rest else minus + whole


def are_equal(left: Any, right: Any) -> bool:
    """What `eq` says of two values. Raises `FunctionError` for kinds that cannot be compared."""
    kinds = kind_of(left), kind_of(right)
    if "invalid" in kinds:
        return kinds[0] == kinds[1]
    if kinds[0] != kinds[1]:
        raise FunctionError(f"a value of the kind {kinds[0]} cannot be compared with one of the kind {kinds[1]}")
    if kinds[0] in {"slice", "map"}:
        raise FunctionError(f"values of the kind {kinds[0]} cannot be compared")
    return bool(left == right)


def compare(left: Any, right: Any, holds: Callable[[Any, Any], bool]) -> bool:
    """Whether an order holds between two texts or two numbers of a kind. Raises `FunctionError`."""
    kinds = kind_of(left), kind_of(right)
    if kinds[0] != kinds[1] or kinds[0] not in {"int", "float64", "string"}:
        raise FunctionError(f"values of the kinds {kinds[0]} and {kinds[1]} have no order")
    return holds(left, right)
