"""Habits that no linter knows: who may read everything, what files are called, how each begins."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

FACES = ("api", "console", "realtime")
PAST_THE_GUARD = re.compile(
    r"\b(all_objects|_base_manager|_default_manager|get_object_or_404|get_list_or_404|\.raw\(|SYSTEM)\b"
)

FORBIDDEN = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}


def app_of(path: Path) -> str:
    return path.parts[1] if path.parts[0] == "apps" and len(path.parts) > 2 else ""


@pytest.mark.parametrize("face", FACES)
def test_a_face_reads_through_the_guard_only(source: Any, face: str):
    past = [
        f"{module.name}:{number}: {line.strip()}"
        for module in source
        if app_of(module.path) == face
        for number, line in enumerate(module.text.splitlines(), 1)
        if PAST_THE_GUARD.search(line)
    ]
    assert not past


def test_every_module_begins_by_saying_what_it_is(source: Any, test_modules: Any):
    silent = [module.name for module in [*source, *test_modules] if not ast.get_docstring(module.tree)]
    assert not silent


def test_no_module_is_a_drawer_of_odds_and_ends(source: Any, test_modules: Any):
    assert not [module.name for module in [*source, *test_modules] if module.path.stem in FORBIDDEN]


def test_nothing_is_left_to_be_done_later(source: Any):
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert not [module.name for module in source if later.search(module.text)]


def test_tests_do_not_import_each_other(test_modules: Any):
    """What several of them need is a fixture, or a module of its own that holds no test."""
    crossed = [
        f"{module.name}: {node.module}"
        for module in test_modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2].startswith(("test_", "conftest"))
    ]
    assert not crossed


def test_every_test_says_what_it_promises(test_modules: Any):
    """A name of one or two words is a topic, not a promise."""
    short = [
        f"{module.name}: {node.name}"
        for module in test_modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and node.name.count("_") < 3
        if not any("fixture" in ast.dump(decorator) for decorator in node.decorator_list)
    ]
    assert not short


HTTP_CLIENTS = {"requests", "urllib.request", "http.client", "httpx", "aiohttp", "urllib3"}
METERED = {"apps/accounts/providers/http.py", "apps/drivers/docker/sdk.py", "apps/core/pinned_http.py"}


def test_no_answer_is_read_without_a_budget(source: Any):
    """What the portal asks of others over HTTP goes through one of the three places that count and time the answer."""
    unmetered = []
    for module in source:
        if module.path.parts[0] != "apps" or str(module.path) in METERED:
            continue
        for node in ast.walk(module.tree):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if re.fullmatch(r"requests\.(request|get|post|put|patch|delete|head|Session|session)", name):
                unmetered.append(f"{module.name}:{node.lineno}: {name}")  # type: ignore[attr-defined]
            if isinstance(node, ast.Import) and {each.name for each in node.names} & (HTTP_CLIENTS - {"requests"}):
                unmetered.append(f"{module.name}:{node.lineno}")
            if isinstance(node, ast.ImportFrom) and node.module in HTTP_CLIENTS:
                unmetered.append(f"{module.name}:{node.lineno}")
    assert not unmetered


def test_a_row_that_others_refer_to_is_locked_without_its_key(source: Any):
    """On PostgreSQL each insert of a row that refers to another locks that one's key (`FOR KEY SHARE`).

    A full `FOR UPDATE` waits for those, so two locks taken in either order close a circle that nobody sees in the code.
    """
    full = [module.name for module in source if "select_for_update()" in module.text.replace(" ", "")]
    assert not full
