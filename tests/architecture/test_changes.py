"""Desired states change in one place: nothing but `control.services` creates operations or counts generations up."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.conftest import ROOT

SERVICES = "apps/control/services.py"
CREATING = {"create", "acreate", "bulk_create", "get_or_create", "update_or_create"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("apps", "portal", "celery_app"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def creates_operation(call: ast.Call) -> bool:
    """`Operation(...)` itself, or a creating method of one of its managers."""
    if isinstance(call.func, ast.Name):
        return call.func.id == "Operation"
    is_creating = isinstance(call.func, ast.Attribute) and call.func.attr in CREATING
    return is_creating and any(isinstance(n, ast.Name) and n.id == "Operation" for n in ast.walk(call.func))


def counts_generation_up(call: ast.Call) -> bool:
    """`update(generation=<a sum>)` and the like."""
    return any(word.arg == "generation" and isinstance(word.value, ast.BinOp) for word in call.keywords)


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_only_the_services_create_operations():
    found = {name for name, tree in sources() if any(map(creates_operation, calls(tree)))}
    assert found == {SERVICES}


def test_only_the_services_begin_a_new_generation():
    found = {name for name, tree in sources() if any(map(counts_generation_up, calls(tree)))}
    keyed = {
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "generation" and isinstance(value, ast.BinOp)
    }
    assert (found, keyed) == ({SERVICES}, set())


def test_the_search_finds_what_it_looks_for():
    guilty = ("Operation()", "Operation.all_objects.create()", "Operation.objects.within(x).bulk_create([])")
    innocent = ("Operation.all_objects.filter()", "Slot.objects.create()", "OperationLine()")
    for text in guilty + innocent:
        assert any(map(creates_operation, calls(ast.parse(text)))) == (text in guilty), text
