"""Literals of Go: what numbers, characters and quoted texts stand for."""

from __future__ import annotations

import re

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_ESCAPE = re.compile(
    r"\\(?:(?P<simple>[abfnrtv\\'\"])|x(?P<byte>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<octal>[0-7]{3})|(?P<other>.|$))",
    re.DOTALL,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unquote(text: str) -> str:
    """Replace Go's escapes in the inside of a quoted text. Raises `ValueError`."""
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(found: re.Match[str]) -> str:
    if simple := found["simple"]:
        return _SIMPLE.get(simple, simple)
    if found["other"] is not None:
        raise ValueError(f"\\{found['other']} is not an escape")
    digits = found["byte"] or found["short"] or found["long"]
    code = int(digits, 16) if digits else int(found["octal"], 8)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"{found[0]} is not a character")
    return chr(code)


def read_char(text: str) -> int:
    """The number of the character in a literal such as `'a'`. Raises `ValueError`."""
    inside = unquote(text[1:-1])
    if len(inside) != 1:
        raise ValueError("single quotes hold one character; use double quotes for texts")
    return ord(inside)


def read_number(text: str) -> int | float:
    """An integer of 64 bits or a float. Raises `ValueError`."""
    plain = text.lstrip("+-")
    is_float = not plain[:2].lower().startswith(("0x", "0b", "0o")) and bool(re.search(r"[.eE]", plain))
    if "__" in plain or plain.endswith("_"):
        raise ValueError(f"{text[:60]} is not a number")
    if is_float:
        return float(text.replace("_", ""))
    if len(plain) > 80:
        raise ValueError("the number does not fit into 64 bits")
    has_leading_zero = re.fullmatch(r"0[0-9_]+", plain) is not None
    number = int(plain.replace("_", ""), 8 if has_leading_zero else 0)
    number = -number if text.startswith("-") else number
    if not INT_MIN <= number <= INT_MAX:
        raise ValueError("the number does not fit into 64 bits")
    return number
