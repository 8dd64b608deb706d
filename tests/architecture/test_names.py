"""One public name, one class."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import Any

GIVEN_BY_DJANGO = {"Command", "Migration", "Meta"}


def test_no_two_classes_have_one_name(source: Any) -> None:
    """Whoever reads a name, in a log or in a review, knows which class it is without its module."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in source:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module.name)
    twice = {name: found for name, found in places.items() if len(found) > 1 and name not in GIVEN_BY_DJANGO}
    assert twice == {}
