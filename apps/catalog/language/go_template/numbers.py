"""Functions of Sprig on numbers: integers have 64 bits, and what is no number counts as 0."""

from __future__ import annotations

import math
from typing import Any

from apps.catalog.language.go_template.errors import FunctionError
from apps.catalog.language.go_template.limits import require_few
from apps.catalog.language.go_template.registry import Functions, as_int, to_float, to_int, wrap

functions = Functions()


@functions.add("atoi")
def _atoi(text: Any) -> int:
    return to_int(text) if isinstance(text, str) and "_" not in text and text[:2].lower() not in _PREFIXES else 0


_PREFIXES = {"0x", "0b", "0o"}


@functions.add("int", "int64")
def _int(value: Any) -> int:
    return to_int(value)


@functions.add("float64")
def _float64(value: Any) -> float:
    return to_float(value)


@functions.add("add")
def _add(*values: Any) -> int:
    return wrap(sum(to_int(each) for each in values))


@functions.add("add1")
def _add1(value: Any) -> int:
    return wrap(to_int(value) + 1)


@functions.add("sub")
def _sub(first: Any, second: Any) -> int:
    return wrap(to_int(first) - to_int(second))


@functions.add("mul")
def _mul(first: Any, *others: Any) -> int:
    found = to_int(first)
    for each in others:
        found = wrap(found * to_int(each))
    return found


@functions.add("div")
def _div(first: Any, second: Any) -> int:
    number, divisor = to_int(first), _divisor(second)
    quotient = abs(number) // abs(divisor)
    return wrap(quotient if (number < 0) == (divisor < 0) else -quotient)


@functions.add("mod")
def _mod(first: Any, second: Any) -> int:
    number, divisor = to_int(first), _divisor(second)
    rest = abs(number) % abs(divisor)
    return -rest if number < 0 else rest


def _divisor(value: Any) -> int:
    divisor = to_int(value)
    if divisor == 0:
        raise FunctionError("it cannot divide by 0")
    return divisor


@functions.add("max", "biggest")
def _max(first: Any, *others: Any) -> int:
    return max(to_int(each) for each in (first, *others))


@functions.add("min")
def _min(first: Any, *others: Any) -> int:
    return min(to_int(each) for each in (first, *others))


@functions.add("floor")
def _floor(value: Any) -> float:
    number = to_float(value)
    return float(math.floor(number)) if math.isfinite(number) else number


@functions.add("ceil")
def _ceil(value: Any) -> float:
    number = to_float(value)
    return float(math.ceil(number)) if math.isfinite(number) else number


@functions.add("round")
def _round(value: Any, places: Any) -> float:
    """Halves go away from zero."""
    number, digits = to_float(value), max(-20, min(20, as_int(places)))
    shifted = number * 10.0**digits
    if not math.isfinite(shifted):
        return number
    return math.copysign(math.floor(abs(shifted) + 0.5), number) / 10.0**digits


@functions.add("until")
def _until(count: Any) -> list[Any]:
    """The numbers from 0 up to the count, or down to it, without it."""
    end = as_int(count)
    return _range(0, end, 1 if end >= 0 else -1)


@functions.add("untilStep")
def _until_step(start: Any, end: Any, step: Any) -> list[Any]:
    return _range(as_int(start), as_int(end), as_int(step))


def _range(start: int, end: int, step: int) -> list[Any]:
    if step == 0:
        return []
    require_few(abs(end - start) // abs(step))
    return list(range(start, end, step))


@functions.add("seq")
def _seq(*bounds: Any) -> str:
    """The numbers of `seq`, with spaces between them: an end; a start and an end; a start, a step and an end."""
    numbers = [as_int(each) for each in bounds]
    if not 1 <= len(numbers) <= 3:
        return ""
    start = numbers[0] if len(numbers) > 1 else 1
    end = numbers[-1]
    step = numbers[1] if len(numbers) == 3 else (1 if end >= start else -1)
    return " ".join(str(each) for each in _range(start, end + (1 if step > 0 else -1), step))
