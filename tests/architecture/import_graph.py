"""Which module of the project imports which, wherever in the file the import stands."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Graph = Mapping[str, frozenset[str]]


def module_name(path: Any) -> str:
    """The dotted name under which a file is imported."""
    parts = list(path.with_suffix("").parts)
    if parts[0] in {"agent", "cli"}:
        del parts[0]  # the folder of its distribution
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(source: Iterable[Any]) -> Graph:
    """Every module with the modules of ours that it imports; what only the type checker reads does not count."""
    modules = {module_name(module.path): module for module in source}
    return {
        name: frozenset(found for found in _imports(name, module, modules) if found != name)
        for name, module in modules.items()
    }


def _imports(name: str, module: Any, modules: Mapping[str, Any]) -> Iterator[str]:
    package = name if module.path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _running_nodes(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            submodules = [f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in modules]
            yield from submodules
            if base in modules and len(submodules) < len(node.names):
                yield base


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _running_nodes(child)


def circles(graph: Graph) -> list[list[str]]:
    """The groups of modules that import each other, directly or through others."""
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset({name, *(other for other in reach[name] if name in reach[other])})
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    pending = list(graph[start])
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += graph[name]
    return seen
