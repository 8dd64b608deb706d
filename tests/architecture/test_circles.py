"""No two modules import each other, not even through a third."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.architecture.import_graph import circles, import_graph


def test_no_module_imports_one_that_imports_it(source: Any) -> None:
    """An import inside a function counts like any other: it hides a circle, it does not break it.

    Inside functions stand imports of libraries that are optional or slow to load, and of what Django must be set up
    for; neither can close a circle.
    """
    graph = import_graph(source)
    assert len(graph) > 300
    assert [" <-> ".join(circle) for circle in circles(graph)] == []


def modules(**texts: str) -> list[Any]:
    return [
        SimpleNamespace(path=Path(name.replace("__", "/") + ".py"), tree=ast.parse(text))
        for name, text in sorted(texts.items())
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import apps.b",
        "from apps import b",
        "from apps.b import x",
        "from . import b",
        "from .b import x",
        "def f():\n    from apps.b import x",
        "try:\n    import apps.b\nexcept ImportError:\n    pass",
    ],
)
def test_a_circle_is_seen_however_it_is_written(text: str) -> None:
    found = circles(import_graph(modules(apps__a=text, apps__b="from apps.c import y", apps__c="import apps.a")))
    assert found == [["apps.a", "apps.b", "apps.c"]]


@pytest.mark.parametrize("text", ["", "import apps.d", "if TYPE_CHECKING:\n    from apps.b import x", "import b"])
def test_what_does_not_run_closes_no_circle(text: str) -> None:
    assert circles(import_graph(modules(apps__a=text, apps__b="import apps.a", apps__d=""))) == []
