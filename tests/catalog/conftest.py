"""A repository of templates, and catalogs that read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.catalog.models import Catalog
from apps.catalog.services import catalog_create
from apps.catalog.source import FolderSource
from apps.catalog.storage import FILES
from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from tests.catalog.loop import AddCatalog
from tests.catalog.repositories import Repository, template_files


@pytest.fixture(autouse=True)
def no_remembered_files() -> Iterator[None]:
    """Rows of another test have the same numbers."""
    FILES.clear()
    yield
    FILES.clear()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two templates: *Greeter* with three versions, and *Counter* with one."""
    found = Repository(tmp_path / "repository")
    found.write(template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1", 2: "2.0"}))
    found.commit(template_files("templates/counter", "Counter", {0: "0.1"}, category="Tools"))
    return found


@pytest.fixture
def add_catalog(lab: Environment, actor_of: Any, repository: Repository) -> AddCatalog:
    """Adds a catalog of the repository to the lab, and lets the loop read it."""

    def add(**given: Any) -> Catalog:
        more = {"actor": actor_of("alice"), "environment": lab, "name": "ours", "url": repository.url, **given}
        row = catalog_create(**more)
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return add


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderSource:
    """A library with one template in the place of the one that comes with the program."""
    for path, content in template_files("templates/wordpress", "WordPress", {0: "6.6", 1: "6.7"}).items():
        target = tmp_path / "library" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    found = FolderSource(tmp_path / "library")
    for module in ("storage", "reconcile"):
        monkeypatch.setattr(f"apps.catalog.{module}.library_source", lambda: found)
    return found
