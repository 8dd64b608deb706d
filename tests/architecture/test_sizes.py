"""Files and functions stay small, and the tests outweigh what they test."""

from __future__ import annotations

from typing import Any

from tests.docker.portal_process import ROOT

FILE_CAP, FUNCTION_CAP = 400, 40
TESTS_PER_SOURCE = 1.05  # lines; generated tests and shared fixtures prove more by the line than they did


def over(sizes: dict[str, int], cap: int) -> list[str]:
    """Who is over the cap, the largest first."""
    return [f"{size} {name}" for name, size in sorted(sizes.items(), key=lambda item: -item[1]) if size > cap]


def file_sizes(source: Any) -> dict[str, int]:
    """Lines of every file, by its name."""
    return {module.name: module.lines for module in source}


def function_sizes(source: Any) -> dict[str, int]:
    return {name: size for module in source for name, size in module.functions()}


def test_no_file_is_too_long(source: Any, test_modules: Any):
    assert over(file_sizes([*source, *test_modules]), FILE_CAP) == []


def test_no_function_is_too_long(source: Any):
    assert over(function_sizes(source), FUNCTION_CAP) == []


def test_tests_outweigh_the_source(source: Any, test_modules: Any):
    tested, testing = sum(m.lines for m in source), sum(m.lines for m in test_modules)
    assert testing >= TESTS_PER_SOURCE * tested, f"{testing} lines of tests for {tested} lines: {testing / tested:.2f}"


def test_no_script_or_style_sheet_is_too_long():
    sources = [path for path in (ROOT / "static/src").rglob("*") if path.suffix in {".js", ".css"}]
    assert sources
    assert over({path.name: len(path.read_text().splitlines()) for path in sources}, FILE_CAP) == []
