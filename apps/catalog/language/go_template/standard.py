"""The functions of text/template itself."""

from __future__ import annotations

import operator
import re
from typing import Any
from urllib.parse import quote_plus

from apps.catalog.language.go_template.errors import FunctionError
from apps.catalog.language.go_template.limits import require_short
from apps.catalog.language.go_template.printing import sprint, sprintf, sprintln
from apps.catalog.language.go_template.registry import Functions, as_int, as_list, as_text
from apps.catalog.language.go_template.values import are_equal, compare, is_true, kind_of, show

functions = Functions()


@functions.add("and")
def _and(first: Any, *rest: Any) -> Any:
    """Kept for its arguments; the interpreter evaluates it, as it must not evaluate all of them."""
    return next((each for each in (first, *rest) if not is_true(each)), (first, *rest)[-1])


@functions.add("or")
def _or(first: Any, *rest: Any) -> Any:
    return next((each for each in (first, *rest) if is_true(each)), (first, *rest)[-1])


@functions.add("not")
def _not(value: Any) -> bool:
    return not is_true(value)


@functions.add("eq")
def _eq(first: Any, second: Any, *others: Any) -> bool:
    return any(are_equal(first, each) for each in (second, *others))


@functions.add("ne")
def _ne(first: Any, second: Any) -> bool:
    return not are_equal(first, second)


@functions.add("lt")
def _lt(first: Any, second: Any) -> bool:
    return compare(first, second, operator.lt)


@functions.add("le")
def _le(first: Any, second: Any) -> bool:
    return compare(first, second, operator.le)


@functions.add("gt")
def _gt(first: Any, second: Any) -> bool:
    return compare(first, second, operator.gt)


@functions.add("ge")
def _ge(first: Any, second: Any) -> bool:
    return compare(first, second, operator.ge)


@functions.add("len")
def _len(value: Any) -> int:
    """Bytes of a text, elements of a list or a map."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list | dict):
        return len(value)
    raise FunctionError(f"a value of the kind {kind_of(value)} has no length")


@functions.add("index")
def _index(value: Any, *keys: Any) -> Any:
    found = value
    for key in keys:
        found = _index_once(found, key)
    return found


def _index_once(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        name = as_text(key)
        missing = "" if value and all(isinstance(each, str) for each in value.values()) else None
        return value.get(name, missing)
    if isinstance(value, list | str):
        elements = value if isinstance(value, list) else value.encode("utf-8", "replace")
        at = as_int(key)
        if not 0 <= at < len(elements):
            raise FunctionError(f"the index {at} is out of range")
        return elements[at]
    raise FunctionError(f"a value of the kind {kind_of(value)} has no elements")


@functions.add("slice")
def _slice(value: Any, *bounds: Any) -> Any:
    """A part of a text, in bytes, or of a list; at most a start and an end."""
    elements = value.encode("utf-8", "replace") if isinstance(value, str) else as_list(value)
    numbers = [as_int(each) for each in bounds]
    if len(numbers) > 2:
        raise FunctionError("it takes a start and an end")
    start, end = [*numbers, *[0, len(elements)][len(numbers) :]]
    if not 0 <= start <= end <= len(elements):
        raise FunctionError(f"the range from {start} to {end} is not inside it")
    found = elements[start:end]
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else found


@functions.add("print")
def _print(*values: Any) -> str:
    return sprint(values)


@functions.add("println")
def _println(*values: Any) -> str:
    return sprintln(values)


@functions.add("printf")
def _printf(pattern: Any, *values: Any) -> str:
    return sprintf(as_text(pattern), values)


def _joined(values: tuple[Any, ...]) -> str:
    return values[0] if len(values) == 1 and isinstance(values[0], str) else sprint(values)


_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"})


@functions.add("html")
def _html(*values: Any) -> str:
    return _joined(values).translate(_HTML)


@functions.add("js")
def _js(*values: Any) -> str:
    text = _joined(values)
    require_short(len(text))
    return re.sub(r"[\\'\"<>&=\x00-\x1f]|[^\x20-\x7e]", _escape_js, text)


def _escape_js(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\\'\"":
        return "\\" + character
    is_plain = character.isprintable() and character not in "<>&="
    return character if is_plain else f"\\u{ord(character):04X}"


@functions.add("urlquery")
def _urlquery(*values: Any) -> str:
    return quote_plus(_joined(values), safe="", errors="replace")


@functions.add("call")
def _call(value: Any, *_arguments: Any) -> Any:
    raise FunctionError(f"{show(value)[:60]} is no function")
