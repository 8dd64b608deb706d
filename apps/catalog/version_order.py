"""Comparing versions as templates write them: `upgrade_from` says which versions may be upgraded to one."""

from __future__ import annotations

import re
from itertools import zip_longest

_TERM = re.compile(r"\s*+(?:(>=|<=|!=|==|=|>|<|~|\^)\s*+)?v?([0-9A-Za-z][0-9A-Za-z.+_-]*)\s*")


def sort_key(version: str) -> list[tuple[int, int, str]]:
    """A key that orders versions: numbers by value; a pre-release (`1.2-rc1`) comes before its release."""
    text = version.strip().lower().removeprefix("v").partition("+")[0]
    release, _dash, rest = text.partition("-")
    found = [_part(each) for each in re.split(r"[._]", release) if each]
    while len(found) > 1 and found[-1] == (2, 0, ""):
        found.pop()
    if rest:
        found.append((0, 0, ""))
        found += [_part(each) for each in re.split(r"[._-]", rest) if each]
    return found


def _part(text: str) -> tuple[int, int, str]:
    return (2, int(text), "") if text.isascii() and text.isdigit() and len(text) < 19 else (1, 0, text)


def compare(one: str, other: str) -> int:
    """-1, 0 or 1, as `one` is below, equal to or above `other`."""
    filler = (2, 0, "")
    for left, right in zip_longest(sort_key(one), sort_key(other)):
        mine, its = left or _end(right, filler), right or _end(left, filler)
        if mine != its:
            return -1 if mine < its else 1
    return 0


def _end(other: tuple[int, int, str] | None, filler: tuple[int, int, str]) -> tuple[int, int, str]:
    """What stands where one version has ended: nothing is above a pre-release mark and below a further word."""
    return filler if other is not None and other[0] != 1 else (0, 1, "")


def admits(range_text: str, version: str) -> bool:
    """Whether `version` is within a range such as `>=1.0 <2.0 || 3.1`; an empty range admits all.

    A range that cannot be read admits all as well: it is better to offer an upgrade, which shows what it does before
    it does it, than to hide one.
    """
    if not range_text.strip():
        return True
    alternatives = [_terms(part) for part in range_text.split("||")]
    if any(terms is None for terms in alternatives):
        return True
    return any(all(_holds(operator, bound, version) for operator, bound in terms or ()) for terms in alternatives)


def _terms(text: str) -> list[tuple[str, str]] | None:
    found, position = [], 0
    text = text.replace(",", " ").strip()
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            return None
        found.append((term[1] or "=", term[2]))
        position = term.end()
    return found or None


def _holds(operator: str, bound: str, version: str) -> bool:
    order = compare(version, bound)
    if operator in {"~", "^"}:
        parts = re.split(r"[.-]", bound)
        kept = parts[: 1 if operator == "^" else 2]
        return order >= 0 and re.split(r"[.-]", version.removeprefix("v"))[: len(kept)] == kept
    return {
        ">=": order >= 0,
        "<=": order <= 0,
        "!=": order != 0,
        "==": order == 0,
        "=": order == 0,
        ">": order > 0,
        "<": order < 0,
    }[operator]
