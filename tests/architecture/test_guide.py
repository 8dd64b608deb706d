"""The guide names files that exist: a page that leads nowhere is worse than none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

INDEX = "docs/README.md"
GUIDES = ("README.md", "CONTRIBUTING.md", INDEX, "docs/architecture.md", "docs/development.md", "docs/glossary.md")
EXAMPLES = {
    "docs/howto/add-a-page.md: apps/console/containers/images.py",
    "docs/howto/add-a-page.md: templates/console/images.html",
}
"""Files that a recipe has its reader write."""

_PATH = re.compile(
    r"`((?:apps|portal|celery_app|agent|simulated_engine|health_checks|templates|static|tests|bench|docs)/[\w./-]+)`"
)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def guides(root: Path) -> list[Path]:
    tasks = [page for folder in ("howto", "operate", "reference") for page in (root / "docs" / folder).glob("*.md")]
    return [root / name for name in GUIDES] + sorted(tasks)


@pytest.mark.parametrize("pattern", [_PATH, _LINK], ids=["paths", "links"])
def test_every_file_that_a_guide_names_exists(root: Path, pattern: re.Pattern[str]) -> None:
    missing = [
        f"{page.relative_to(root)}: {name}"
        for page in guides(root)
        for name in pattern.findall(page.read_text())
        if page.relative_to(root).as_posix() + ": " + name not in EXAMPLES
        if not ((root if pattern is _PATH else page.parent) / name).exists()
    ]
    assert missing == []


def test_every_page_is_in_the_list_of_guides_which_the_readme_leads_to(root: Path) -> None:
    """What nobody can find from the README was written for nobody; decisions are listed by their folder."""
    listed = {(root / "docs" / name).resolve() for name in _LINK.findall((root / INDEX).read_text())}
    pages = {page.resolve() for page in (root / "docs").rglob("*.md")} - {(root / INDEX).resolve()}
    assert sorted(page.name for page in pages - listed if page.parent.name != "adr") == []
    assert f"]({INDEX})" in (root / "README.md").read_text()
