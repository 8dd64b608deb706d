"""The agent stands alone: nothing of the portal, no Django, and only the two packages it was given."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ALLOWED = {"asyncssh", "websockets", "corral_agent"}


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_the_agent_imports_nothing_of_the_portal(source: Any):
    mine = [module for module in source if module.path.parts[0] == "agent"]
    assert len(mine) > 30
    foreign = {(module.name, name) for module in mine for name in imported(module.tree)}
    assert {(at, name) for at, name in foreign if name not in ALLOWED and name not in sys.stdlib_module_names} == set()


def test_the_portal_imports_nothing_of_the_agent(source: Any):
    others = [module for module in source if module.path.parts[0] not in {"agent", "tests"}]
    assert not [module.name for module in others if "corral_agent" in set(imported(module.tree))]


def test_the_agents_pins_are_the_portals(root: Path):
    wanted = tomllib.loads((root / "agent/pyproject.toml").read_text())["project"]["dependencies"]
    pins = {re.split("[ #]", line)[0] for line in (root / "requirements.txt").read_text().splitlines()}
    assert set(wanted) <= pins
    assert len(wanted) == 2
