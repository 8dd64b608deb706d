"""Aliases of YAML: filled in within bounds, whoever reads the file, and never inside of what they stand for."""

from __future__ import annotations

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose.parser import parse
from apps.stacks.compose.yaml_loader import MAX_FILLED_IN, load_yaml, without_lines

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {b: [{c: *a}]}"])
def test_an_alias_inside_of_what_it_stands_for_is_refused(text: str):
    with pytest.raises(Invalid, match=r"line 1, column \d+: an alias stands for what it is in"):
        load_yaml(text, "file", typed=True)
    with pytest.raises(Invalid):
        parse("web: {image: nginx}\n", f"web:\n  metadata:\n    {text}\n")


def test_a_bomb_is_refused_before_it_is_filled_in():
    assert MAX_FILLED_IN < 10**6
    with pytest.raises(Invalid, match="too large"):
        load_yaml(BOMB, "file")


def test_aliases_of_a_sensible_file_are_filled_in():
    text = "base: &base {image: nginx, labels: [a, b]}\n" + "".join(f"s{n}: *base\n" for n in range(500))
    found = without_lines(load_yaml(text, "file"))
    assert found["s499"] == {"image": "nginx", "labels": ["a", "b"]}
    assert len(found) == 501
