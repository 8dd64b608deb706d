"""The agent stands alone: nothing of the portal, no Django, and only the two packages it was given."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ALLOWED = {"asyncssh", "websockets", "corral_agent", "health_checks"}
SIMULATED = ("agent", "corral_agent", "simulated")


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def foreign_imports(modules: list[Any], allowed: set[str]) -> set[tuple[str, str]]:
    """What modules import beyond the standard library and what they may."""
    found = {(module.name, name) for module in modules for name in imported(module.tree)}
    return {(at, name) for at, name in found if name not in allowed and name not in sys.stdlib_module_names}


def test_the_agent_imports_nothing_of_the_portal(source: Any):
    mine = [module for module in source if module.path.parts[0] == "agent"]
    simulated = [module for module in mine if module.path.parts[:3] == SIMULATED]
    real = [module for module in mine if module.path.parts[:3] != SIMULATED]
    assert len(mine) > 30
    assert len(simulated) > 5
    assert foreign_imports(real, ALLOWED) == set()
    assert foreign_imports(simulated, ALLOWED | {"simulated_engine"}) == set()


def test_the_portal_imports_nothing_of_the_agent(source: Any):
    others = [module for module in source if module.path.parts[0] not in {"agent", "tests"}]
    assert not [module.name for module in others if "corral_agent" in set(imported(module.tree))]


def test_the_simulated_engine_imports_nothing_but_the_standard_library(source: Any):
    core = [module for module in source if module.path.parts[0] == "simulated_engine"]
    assert len(core) > 10
    assert foreign_imports(core, {"simulated_engine"}) == set()


def test_health_checks_import_nothing_but_the_standard_library(source: Any):
    shared = [module for module in source if module.path.parts[0] == "health_checks"]
    assert len(shared) > 4
    assert foreign_imports(shared, {"health_checks"}) == set()


def test_only_its_two_adapters_import_the_simulated_engine(source: Any):
    adapters = {("apps", "drivers", "simulated"), SIMULATED}
    others = [
        module
        for module in source
        if module.path.parts[:3] not in adapters and module.path.parts[0] != "simulated_engine"
    ]
    assert not [module.name for module in others if "simulated_engine" in set(imported(module.tree))]


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("agent", "import corral_agent.__main__"),
        (".", "import apps.drivers.registry, apps.drivers.docker.engine"),
    ],
    ids=["agent", "portal"],
)
def test_a_real_host_loads_no_simulated_engine(root: Path, package: str, code: str):
    script = f"import sys\n{code}\nassert not [m for m in sys.modules if m.startswith('simulated_engine')]"
    path = {**os.environ, "PYTHONPATH": str(root)}  # where the packages are that portal and agent share
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, cwd=root / package, env=path)


def test_the_agents_pins_are_the_portals(root: Path):
    wanted = tomllib.loads((root / "agent/pyproject.toml").read_text())["project"]["dependencies"]
    pins = {re.split("[ #]", line)[0] for line in (root / "requirements.txt").read_text().splitlines()}
    assert set(wanted) <= pins
    assert len(wanted) == 2
