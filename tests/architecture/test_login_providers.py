"""What is particular to one login provider stays in its own folder; everything else asks the protocol."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apps.accounts.providers.registry import all_providers

PROVIDERS = Path("apps/accounts/providers")
REGISTRY = PROVIDERS / "registry.py"
FOLDERS = {Path(type(each).__module__.replace(".", "/")).parent for each in all_providers()}


def names() -> set[str]:
    """Every word that means one provider: its kind, its v1 type, its people and groups."""
    found: set[str] = set()
    for each in all_providers():
        found |= {each.kind, each.wire_type, each.identity_kinds.person, *each.identity_kinds.groups}
    return found


def outside(source: Any) -> Iterator[Any]:
    """The modules that belong to no provider."""
    return (module for module in source if not FOLDERS & set(module.path.parents))


def test_each_provider_has_a_folder_of_its_own():
    assert {folder.parent for folder in FOLDERS} == {PROVIDERS}


def test_nobody_else_knows_one_by_name(source: Any):
    known = names()
    found = [
        f"{module.name}:{node.lineno} {node.value!r}"
        for module in outside(source)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and node.value in known
    ]
    assert not found


def test_no_template_knows_one_by_name(root: Path):
    words = {name for each in all_providers() for name in (f'"{each.kind}"', f"'{each.kind}'", each.title)}
    texts = {path: path.read_text() for path in (root / "templates").rglob("*.html")}
    assert texts
    assert not [path.name for path, text in texts.items() if any(word in text for word in words)]


def test_nobody_but_the_register_imports_one(source: Any):
    packages = tuple(".".join(folder.parts) for folder in FOLDERS)
    found = [
        f"{module.name}:{node.lineno} {node.module}"
        for module in outside(source)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(packages) and module.path != REGISTRY
    ]
    assert not found
