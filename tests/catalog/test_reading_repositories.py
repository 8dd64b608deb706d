"""Catalogs read git repositories: indexed, refreshed, and still served when the repository is away."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.catalog.models import Catalog, Template, TemplateVersion
from apps.catalog.services import catalog_act
from apps.catalog.storage import git_store, template_icon, template_readme, version_files
from apps.control.reconcile import reconcile_until_idle
from tests.catalog.loop import AddCatalog
from tests.catalog.repositories import ICON, Repository, git, template_files

pytestmark = pytest.mark.django_db


def refresh(row: Catalog, actor: Any) -> Catalog:
    catalog_act(row, "refresh", actor=actor)
    reconcile_until_idle()
    row.refresh_from_db()
    return row


def wait_of(row: Catalog) -> timedelta:
    """How long it is until the catalog is looked at again."""
    assert row.next_attempt_at is not None
    return row.next_attempt_at - timezone.now()


def versions_of(key: str) -> list[tuple[int, str]]:
    found = TemplateVersion.objects.filter(template__key=key)
    return list(found.order_by("number").values_list("number", "version"))


def test_a_repository_is_indexed(add_catalog: AddCatalog):
    row = add_catalog()
    assert (row.state, row.message, row.transitioning) == ("active", "", "no")
    assert (row.status["templates"], row.status["versions"], row.status["faults"]) == (2, 4, [])
    greeter = Template.objects.get(key="greeter")
    assert (greeter.name, greeter.newest_version, greeter.newest_number) == ("Greeter", "2.0", 2)
    assert (greeter.categories, greeter.description, greeter.fault) == (["Web"], "Serves a greeting.", "")
    assert versions_of("greeter") == [(0, "1.0"), (1, "1.1"), (2, "2.0")]
    assert TemplateVersion.objects.get(template=greeter, number=0).minimum_version == "v0.59.0"


def test_files_are_read_when_somebody_asks_for_them(add_catalog: AddCatalog):
    add_catalog()
    version = TemplateVersion.objects.get(template__key="greeter", number=1)
    files = version_files(version)
    assert sorted(files) == ["docker-compose.yml", "rancher-compose.yml"]
    assert b"sim/web:1.1" in files["docker-compose.yml"]
    assert template_icon(version.template).decode() == ICON
    assert template_readme(version.template).startswith("# Greeter")


def test_the_newest_version_is_the_one_that_the_template_names(add_catalog: AddCatalog, repository: Repository):
    repository.commit(template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1", 2: "2.0"}, newest="1.1"))
    add_catalog()
    assert Template.objects.get(key="greeter").newest_number == 1


def test_a_refresh_brings_what_changed_and_leaves_the_rest(
    add_catalog: AddCatalog, repository: Repository, actor_of: Any
):
    row = add_catalog()
    before = Template.objects.get(key="greeter")
    kept = TemplateVersion.objects.get(template=before, number=0).pk
    same = TemplateVersion.objects.get(template__key="counter").pk
    repository.commit(template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1b", 3: "3.0"}))
    repository.commit(remove="templates/greeter/2")
    refresh(row, actor_of("alice"))
    assert versions_of("greeter") == [(0, "1.0"), (1, "1.1b"), (3, "3.0")]
    assert Template.objects.get(key="greeter").pk == before.pk
    assert TemplateVersion.objects.get(template=before, number=0).pk == kept
    assert TemplateVersion.objects.get(template__key="counter").pk == same
    assert row.commit == git(repository.folder, "rev-parse", "HEAD")


def test_a_template_that_is_gone_is_listed_no_more(add_catalog: AddCatalog, repository: Repository, actor_of: Any):
    row = add_catalog()
    repository.commit(remove="templates/counter")
    refresh(row, actor_of("alice"))
    assert list(Template.objects.values_list("key", flat=True)) == ["greeter"]


def test_nothing_is_read_again_while_the_commit_is_the_same(
    add_catalog: AddCatalog, actor_of: Any, monkeypatch: pytest.MonkeyPatch
):
    row = add_catalog()
    read = row.indexed_at
    monkeypatch.setattr("apps.catalog.reconcile.update_index", None)
    refresh(row, actor_of("alice"))
    assert (row.state, row.message, row.indexed_at) == ("active", "", read)
    assert row.status["versions"] == 4


def test_another_branch_is_read_as_soon_as_it_is_named(add_catalog: AddCatalog, repository: Repository, actor_of: Any):
    from apps.catalog.services import catalog_update

    git(repository.folder, "checkout", "--quiet", "-b", "next")
    repository.commit(template_files("templates/greeter", "Greeter", {9: "9.0"}))
    git(repository.folder, "checkout", "--quiet", "main")
    row = add_catalog()
    assert versions_of("greeter")[-1] == (2, "2.0")
    catalog_update(row, actor=actor_of("alice"), branch="next")
    reconcile_until_idle()
    assert versions_of("greeter")[-1] == (9, "9.0")


def test_the_last_good_index_is_served_while_the_repository_is_away(
    add_catalog: AddCatalog, repository: Repository, actor_of: Any
):
    row = add_catalog()
    away = repository.folder.rename(repository.folder.with_name("away"))
    refresh(row, actor_of("alice"))
    assert (row.state, row.transitioning) == ("error", "error")
    assert row.message == "There is no git repository at this address."
    assert row.status["templates"] == 2
    version = TemplateVersion.objects.select_related("template__catalog").get(template__key="greeter", number=2)
    assert b"sim/web:2.0" in version_files(version)["docker-compose.yml"]
    away.rename(repository.folder)
    refresh(row, actor_of("alice"))
    assert (row.state, row.message, row.status["failures"]) == ("active", "", 0)


def test_failures_are_tried_again_ever_less_often(add_catalog: AddCatalog, repository: Repository):
    shutil.rmtree(repository.folder)
    row = add_catalog()
    first = wait_of(row)
    for _ in range(3):
        Catalog.all_objects.filter(pk=row.pk).update(next_attempt_at=timezone.now(), next_poll=timezone.now())
        reconcile_until_idle()
    row.refresh_from_db()
    assert row.status["failures"] == 4
    assert first < timedelta(seconds=16) < timedelta(seconds=100) < wait_of(row)


def test_it_is_polled_at_its_interval(add_catalog: AddCatalog, repository: Repository):
    row = add_catalog(poll_seconds=900)
    assert timedelta(seconds=890) < wait_of(row) <= timedelta(seconds=900)
    repository.commit(remove="templates/counter")
    Catalog.all_objects.filter(pk=row.pk).update(next_attempt_at=timezone.now(), next_poll=timezone.now())
    reconcile_until_idle()
    assert Template.objects.count() == 1


def test_a_machine_without_the_store_fetches_it(add_catalog: AddCatalog):
    row = add_catalog()
    git_store(row).remove()
    version = TemplateVersion.objects.get(template__key="greeter", number=1)
    assert b"sim/web:1.1" in version_files(version)["docker-compose.yml"]


def test_a_removed_catalog_leaves_nothing(add_catalog: AddCatalog, actor_of: Any):
    row = add_catalog()
    assert git_store(row).folder.exists()
    catalog_act(row, "remove", actor=actor_of("alice"))
    reconcile_until_idle()
    row.refresh_from_db()
    assert (row.state, row.removed is not None) == ("removed", True)
    assert not Template.objects.exists()
    assert not git_store(row).folder.exists()


def test_an_inactive_catalog_is_not_fetched(add_catalog: AddCatalog, repository: Repository, actor_of: Any):
    row = add_catalog()
    catalog_act(row, "deactivate", actor=actor_of("alice"))
    shutil.rmtree(repository.folder)
    reconcile_until_idle()
    row.refresh_from_db()
    assert (row.state, row.message) == ("inactive", "")


def test_old_commits_give_their_space_back(
    add_catalog: AddCatalog, repository: Repository, actor_of: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apps.catalog.git.MAX_PACKS", 1)
    row = add_catalog()
    for number in range(3):
        repository.commit({"templates/greeter/2/notes.txt": f"note {number}\n" * 200})
        refresh(row, actor_of("alice"))
    store = git_store(row)
    assert len(list((store.folder / "objects" / "pack").glob("*.pack"))) <= 2
    assert store.has(row.commit)
