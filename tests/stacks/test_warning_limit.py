"""A compose file causes so many warnings and no more, and says how many are not shown."""

from __future__ import annotations

from apps.stacks.compose.parser import parse
from apps.stacks.compose.warning_limit import MAX_LENGTH, MAX_WARNINGS


def all_warnings(text: str) -> list[str]:
    found = parse(text)
    return [*found.warnings, *(line for service in found.services for line in service.warnings)]


def file_of(*services: int) -> str:
    """Services with so many keys each that nobody knows."""
    lines = []
    for number, keys in enumerate(services):
        lines += [f"s{number}:", "  image: a", *(f"  unknown_{key}: 1" for key in range(keys))]
    return "\n".join(lines)


def test_few_are_shown_as_they_are() -> None:
    assert len(all_warnings(file_of(3, 2))) == 5


def test_beyond_the_limit_their_number_is_said() -> None:
    found = all_warnings(file_of(60, 60, 60))
    assert len(found) == MAX_WARNINGS + 1
    assert found[0] == "... and 80 more warnings not shown."
    assert sum(line.startswith("s1:") for line in found) == 40


def test_exactly_the_limit_has_no_rest() -> None:
    assert len(all_warnings(file_of(MAX_WARNINGS))) == MAX_WARNINGS


def test_each_has_a_length() -> None:
    (found,) = all_warnings(f"s:\n  image: a\n  {'k' * 900}: 1\n")
    assert len(found) <= MAX_LENGTH
