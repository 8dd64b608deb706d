"""The command line stands alone, runs on old interpreters, and loads little before it knows what it is to do."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral_cli import VERSION
from corral_cli.commands import COMMANDS
from portal import __version__

MAX_MODULES = 80
HEAVY = {"asyncio", "email", "http.client", "logging", "ssl", "subprocess", "tempfile", "urllib.request", "zipfile"}
"""What takes longer to load than all of ours: it is imported where it is needed."""


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_the_command_line_imports_nothing_but_the_standard_library(source: Any):
    mine = [module for module in source if module.path.parts[0] == "cli"]
    assert len(mine) > 20
    found = {(module.name, name) for module in mine for name in imported(module.tree)}
    assert {(at, name) for at, name in found if name != "corral_cli" and name not in sys.stdlib_module_names} == set()


def test_nothing_else_imports_the_command_line(source: Any):
    others = [module for module in source if module.path.parts[0] != "cli"]
    assert not [module.name for module in others if "corral_cli" in set(imported(module.tree))]


def test_it_has_the_portal_s_version_and_says_from_which_interpreter_on(root: Path):
    settings = tomllib.loads((root / "cli/pyproject.toml").read_text())
    assert __version__ == VERSION
    assert settings["project"]["requires-python"] == ">=3.9"
    assert settings["project"]["dependencies"] == []
    ruff = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["ruff"]
    assert ruff["per-file-target-version"] == {"cli/**": "py39"}


def test_every_file_can_be_read_by_the_oldest_interpreter(source: Any):
    for module in source:
        if module.path.parts[0] == "cli":
            ast.parse(module.text, feature_version=(3, 9))


def test_each_command_s_module_provides_just_what_the_table_says(root: Path):
    from importlib import import_module

    modules = {entry.module for entry in COMMANDS.values()}
    files = {path.stem for path in (root / "cli/corral_cli/commands").glob("*.py")} - {"__init__"}
    assert modules == files
    provided = {name: module for module in modules for name in import_module(f"corral_cli.commands.{module}").PROVIDES}
    assert provided == {name: entry.module for name, entry in COMMANDS.items()}


@pytest.mark.parametrize("arguments", [["--version"], ["ps", "--help"], ["up", "--help"]], ids=" ".join)
def test_start_up_loads_few_modules_and_none_that_is_slow(root: Path, arguments: list[str]):
    script = (
        "import sys, argparse\n"
        "known = set(sys.modules)\n"
        "sys.path.insert(0, 'cli')\n"
        f"sys.argv = ['corral', *{arguments!r}]\n"
        "from corral_cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('\\n'.join(sorted(set(sys.modules) - known)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], check=True, timeout=120, cwd=root, capture_output=True, text=True
    )
    loaded = set(done.stderr.split())
    assert "corral_cli.program" in loaded
    assert not loaded & HEAVY
    assert len(loaded) <= MAX_MODULES, sorted(loaded)
