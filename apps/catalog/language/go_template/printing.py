"""Go's `Sprint`, `Sprintln` and `Sprintf` for the types of this language."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from apps.catalog.language.go_template.limits import require_short
from apps.catalog.language.go_template.values import show, show_float, type_of

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\*|\d+)?(?P<dot>\.(?P<precision>\*|\d+)?)?(?P<verb>.)?", re.DOTALL)
_MAX_WIDTH = 10_000
_INTEGERS = {"d": "d", "b": "b", "o": "o", "x": "x", "X": "X"}
_FLOATS = frozenset("eEfFgG")


def sprint(values: Sequence[Any]) -> str:
    """Join values, with a space between two of which none is a text."""
    parts: list[str] = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return "".join(parts)


def sprintln(values: Sequence[Any]) -> str:
    """Join values with spaces, and end the line."""
    return " ".join(show(each) for each in values) + "\n"


def sprintf(pattern: str, values: Sequence[Any]) -> str:
    """Fill a pattern in; what does not fit is named in the text, as Go does."""
    parts: list[str] = []
    waiting = list(reversed(values))
    at = length = 0
    for found in _VERB.finditer(pattern):
        filled = _fill(found, waiting)
        parts += [pattern[at : found.start()], filled]
        length += len(filled) + found.start() - at
        require_short(length)
        at = found.end()
    parts.append(pattern[at:])
    if waiting:
        extra = ", ".join(_named(each) for each in reversed(waiting))
        parts.append(f"%!(EXTRA {extra})")
    return "".join(parts)


def _named(value: Any) -> str:
    return "<nil>" if value is None else f"{type_of(value)}={show(value)}"


def _fill(found: re.Match[str], waiting: list[Any]) -> str:
    verb = found["verb"]
    if verb is None:
        return "%!(NOVERB)"
    width, width_problem = _number(found["width"], waiting, "%!(BADWIDTH)")
    precision, precision_problem = _number(found["precision"], waiting, "%!(BADPREC)")
    if found["dot"] and precision is None:
        precision = 0
    problems = width_problem + precision_problem
    if verb == "%":
        return problems + "%"
    if not waiting:
        return f"{problems}%!{verb}(MISSING)"
    flags = found["flags"]
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    value = waiting.pop()
    text = _format(verb, value, flags, precision)
    if text is None:
        return f"{problems}%!{verb}({_named(value)})"
    return problems + _pad(text, width or 0, flags, is_number=isinstance(value, int | float) and verb not in "vsqT")


def _number(text: str | None, waiting: list[Any], problem: str) -> tuple[int | None, str]:
    """A width or a precision, written or taken from the values."""
    if text is None:
        return None, ""
    given: Any = (waiting.pop() if waiting else None) if text == "*" else int(text[:9])
    if not isinstance(given, int) or isinstance(given, bool) or abs(given) > _MAX_WIDTH:
        return None, problem
    return given, ""


def _pad(text: str, width: int, flags: str, *, is_number: bool) -> str:
    if len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    if "0" not in flags:
        return text.rjust(width)
    sign = text[:1] if is_number and text[:1] in {"-", "+"} else ""
    return sign + text[len(sign) :].rjust(width - len(sign), "0")


def _format(verb: str, value: Any, flags: str, precision: int | None) -> str | None:
    """One value, or None where the verb does not fit it."""
    if verb == "T":
        return type_of(value)
    if isinstance(value, list) and verb != "v":
        parts = [_format(verb, each, flags, precision) for each in value]
        return f"[{' '.join(each if each is not None else f'%!{verb}' for each in parts)}]"
    if verb == "v":
        return _show_v(value, flags)
    if isinstance(value, bool):
        return show(value) if verb == "t" else None
    return (
        _format_text(verb, value, precision)
        if isinstance(value, str)
        else _format_number(verb, value, flags, precision)
    )


def _format_number(verb: str, value: Any, flags: str, precision: int | None) -> str | None:
    if isinstance(value, int):
        return _format_int(verb, value, flags)
    return _format_float(verb, value, flags, precision) if isinstance(value, float) else None


def _show_v(value: Any, flags: str) -> str:
    if "#" in flags and isinstance(value, str):
        return quote(value)
    is_positive = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return f"+{show(value)}" if "+" in flags and is_positive else show(value)


def _format_text(verb: str, value: str, precision: int | None) -> str | None:
    shown = value if precision is None else value[:precision]
    if verb == "s":
        return shown
    if verb == "q":
        return quote(shown)
    if verb in "xX":
        return format_hex(shown, is_upper=verb == "X")
    return None


def format_hex(text: str, *, is_upper: bool) -> str:
    """The bytes of a text in hexadecimal digits."""
    found = text.encode("utf-8", "replace").hex()
    return found.upper() if is_upper else found


def _sign(number: float, flags: str) -> str:
    if number < 0:
        return "-"
    return "+" if "+" in flags else " " if " " in flags else ""


def _format_int(verb: str, value: int, flags: str) -> str | None:
    if verb in _INTEGERS:
        prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
        return f"{_sign(value, flags)}{prefix}{format(abs(value), _INTEGERS[verb])}"
    is_character = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
    character = chr(value) if is_character else "\ufffd"
    if verb == "c":
        return character
    if verb == "q":
        return f"'{quote(character)[1:-1]}'"
    return f"U+{value:04X}" if verb == "U" else None


def _format_float(verb: str, value: float, flags: str, precision: int | None) -> str | None:
    if verb not in _FLOATS:
        return None
    sign = "+" if "+" in flags and value >= 0 else ""
    if verb in "gG" and precision is None:
        found = show_float(value, 21)
    else:
        found = format(value, f".{6 if precision is None else precision}{verb}")
    return sign + (found.upper() if verb in "EG" else found)


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def quote(text: str) -> str:
    """A text in Go's double quotes."""
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    return f'"{"".join(_quoted(each) for each in text)}"'


def _quoted(character: str) -> str:
    if character in {'"', "\\"}:
        return "\\" + character
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
