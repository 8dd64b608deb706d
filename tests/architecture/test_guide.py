"""The guide names files that exist: a page that leads nowhere is worse than none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/development.md", "docs/glossary.md")
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
    return [root / name for name in GUIDES] + sorted((root / "docs/howto").glob("*.md"))


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
