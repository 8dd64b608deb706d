"""Desired states change in one place: nothing but `control.services` creates operations or counts generations up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

SERVICES = "apps/control/services.py"
CREATING = {"create", "acreate", "bulk_create", "get_or_create", "update_or_create"}


def creates_operation(call: ast.Call) -> bool:
    """`Operation(...)` itself, or a creating method of one of its managers."""
    if isinstance(call.func, ast.Name):
        return call.func.id == "Operation"
    is_creating = isinstance(call.func, ast.Attribute) and call.func.attr in CREATING
    return is_creating and any(isinstance(n, ast.Name) and n.id == "Operation" for n in ast.walk(call.func))


def counts_generation_up(node: ast.AST) -> bool:
    """`update(generation=<a sum>)`, or such a pair in a mapping."""
    if isinstance(node, ast.Call):
        return any(word.arg == "generation" and isinstance(word.value, ast.BinOp) for word in node.keywords)
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return any(ast.unparse(key) == "'generation'" and isinstance(value, ast.BinOp) for key, value in pairs if key)
    return False


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_only_the_services_create_operations(source: Any):
    assert {module.name for module in source if any(map(creates_operation, calls(module.tree)))} == {SERVICES}


def test_only_the_services_begin_a_new_generation(source: Any):
    assert {module.name for module in source if any(map(counts_generation_up, ast.walk(module.tree)))} == {SERVICES}


def test_the_search_finds_what_it_looks_for():
    guilty = ("Operation()", "Operation.all_objects.create()", "Operation.objects.within(x).bulk_create([])")
    innocent = ("Operation.all_objects.filter()", "Slot.objects.create()", "OperationLine()")
    for text in guilty + innocent:
        assert any(map(creates_operation, calls(ast.parse(text)))) == (text in guilty), text
    for text in ("rows.update(generation=F('generation') + 1)", "x = {'generation': F('generation') + 1}"):
        assert any(map(counts_generation_up, ast.walk(ast.parse(text)))), text
