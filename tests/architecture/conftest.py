"""The source as the architecture tests read it."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("apps", "portal", "celery_app", "simulated_engine", "health_checks", "agent", "cli")
SKIPPED = {"migrations", "__pycache__", "node_modules"}


@dataclass(frozen=True)
class Module:
    """One Python file: its path from the root, its text and its tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.as_posix()

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def functions(self) -> Iterator[tuple[str, int]]:
        """Every function with its length, signature and docstring included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{self.name}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def read(*folders: str) -> list[Module]:
    found = []
    gc.disable()
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if not SKIPPED & set(path.parts):
            text = path.read_text()
            found.append(Module(path.relative_to(ROOT), text, ast.parse(text)))
    gc.enable()
    gc.freeze()
    return found


@pytest.fixture(scope="session")
def source() -> list[Module]:
    """Everything that is delivered, migrations left out."""
    return read(*SOURCE)


@pytest.fixture(scope="session")
def test_modules() -> list[Module]:
    """Everything that tests it."""
    return read("tests")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT
