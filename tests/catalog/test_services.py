"""Catalogs are added, changed and removed by those who may, and seen by those who should."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from apps.catalog.library_row import ensure_library, library_ensure
from apps.catalog.models import Catalog, Template
from apps.catalog.selectors import catalogs_of, matching, templates_of
from apps.catalog.services import catalog_act, catalog_create, catalog_update
from apps.catalog.source import FolderSource
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.environments.models import Environment
from apps.environments.services import environment_act, environment_create
from tests.catalog.loop import AddCatalog
from tests.catalog.repositories import Repository

pytestmark = pytest.mark.django_db
SECRET = "s3cret-w0rd"


@pytest.mark.parametrize("name", ["bob", "rex", "rita"])
def test_catalogs_of_an_environment_are_its_owners_affair(add_catalog: AddCatalog, actor_of: Any, name: str):
    with pytest.raises(Forbidden):
        add_catalog(actor=actor_of(name))
    assert not Catalog.all_objects.exists()
    row = add_catalog()
    for act in (
        lambda: catalog_update(row, actor=actor_of(name), branch="x"),
        lambda: catalog_act(row, "refresh", actor=actor_of(name)),
        lambda: catalog_act(row, "remove", actor=actor_of(name)),
    ):
        with pytest.raises(Forbidden):
            act()


@pytest.mark.parametrize("name", ["alice", "bob", "rita"])
def test_catalogs_of_the_installation_are_for_administrators(add_catalog: AddCatalog, actor_of: Any, name: str):
    with pytest.raises(Forbidden):
        add_catalog(actor=actor_of(name), environment=None)
    row = add_catalog(actor=actor_of("root"), environment=None)
    with pytest.raises(Forbidden):
        catalog_act(row, "deactivate", actor=actor_of(name))


def test_each_environment_sees_its_own_and_those_of_all(
    add_catalog: AddCatalog, lab: Environment, actor_of: Any, repository: Repository
):
    den = environment_create(actor=actor_of("mallory"), name="Den")
    ours = add_catalog()
    site = add_catalog(actor=actor_of("root"), environment=None, name="site")
    assert set(catalogs_of(actor_of("rita"), lab.pk)) == {ours, site}
    assert set(catalogs_of(actor_of("mallory"), den.pk)) == {site}
    assert not catalogs_of(actor_of("mallory"), lab.pk)
    assert {each.catalog_id for each in templates_of(actor_of("mallory"), den.pk)} == {site.pk}
    assert not templates_of(actor_of("mallory"), lab.pk)


def test_what_is_switched_off_is_not_offered(add_catalog: AddCatalog, lab: Environment, actor_of: Any):
    row = add_catalog()
    alice = actor_of("alice")
    assert templates_of(alice, lab.pk).count() == 2
    catalog_act(row, "deactivate", actor=alice)
    reconcile_until_idle()
    assert not templates_of(alice, lab.pk)
    row.refresh_from_db()
    catalog_act(row, "activate", actor=alice)
    reconcile_until_idle()
    assert templates_of(alice, lab.pk).count() == 2


def test_a_secret_is_encrypted_and_never_said(add_catalog: AddCatalog, repository: Repository, actor_of: Any):
    row = add_catalog(username="bob", secret=SECRET)
    catalog_update(row, actor=actor_of("alice"), secret=f"{SECRET}-2")
    row.refresh_from_db()
    assert row.secret == f"{SECRET}-2"
    with connection.cursor() as cursor:
        for table in (Catalog, AuditEntry, Operation):
            cursor.execute(f"SELECT * FROM {table._meta.db_table}")  # noqa: S608 - the names of our own tables
            assert SECRET not in str(cursor.fetchall())


def test_an_empty_secret_keeps_the_one_that_is_there(add_catalog: AddCatalog, actor_of: Any):
    row = add_catalog(username="bob", secret=SECRET)
    catalog_update(row, actor=actor_of("alice"), secret="", description="Ours")
    row.refresh_from_db()
    assert (row.secret, row.description) == (SECRET, "Ours")


def test_a_secret_is_not_sent_to_another_server(add_catalog: AddCatalog, actor_of: Any):
    row = add_catalog(url="https://git.example.org/x", secret=SECRET)
    catalog_update(row, actor=actor_of("alice"), url="https://git.example.org/y")
    row.refresh_from_db()
    assert row.secret == SECRET
    catalog_update(row, actor=actor_of("alice"), url="https://evil.example.org/y")
    row.refresh_from_db()
    assert row.secret == ""


def test_removing_a_catalog_forgets_its_secret(add_catalog: AddCatalog, actor_of: Any):
    row = add_catalog(username="bob", secret=SECRET)
    catalog_act(row, "remove", actor=actor_of("alice"))
    row.refresh_from_db()
    assert row.secret == ""


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "-x"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "a:b"}, "name"),
        ({"url": "--upload-pack=x"}, "url"),
        ({"url": "https://bob:pw@host/x"}, "url"),
        ({"branch": "--x"}, "branch"),
        ({"username": "a:b"}, "username"),
        ({"secret": "a\nb", "url": "https://host/x"}, "secretValue"),
        ({"secret": "password", "url": "git@host:x"}, "secretValue"),
        ({"poll_seconds": 5}, "pollSeconds"),
        ({"poll_seconds": 10**9}, "pollSeconds"),
        ({"poll_seconds": "soon"}, "pollSeconds"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_made(
    add_catalog: AddCatalog, given: dict[str, Any], field: str
):
    with pytest.raises(Invalid) as refused:
        add_catalog(**given)
    assert refused.value.field == field
    assert not Catalog.all_objects.exists()


def test_a_name_is_there_once_where_it_is_seen(add_catalog: AddCatalog, lab: Environment, actor_of: Any):
    add_catalog(name="ours")
    with pytest.raises(Invalid) as refused:
        add_catalog(name="OURS")
    assert (refused.value.field, refused.value.code) == ("name", "NotUnique")
    with pytest.raises(Invalid):
        add_catalog(actor=actor_of("root"), environment=None, name="ours")
    den = environment_create(actor=actor_of("mallory"), name="Den")
    assert add_catalog(actor=actor_of("mallory"), environment=den, name="ours").state == "active"


def test_a_name_is_free_again_once_its_catalog_is_gone(add_catalog: AddCatalog, actor_of: Any):
    catalog_act(add_catalog(), "remove", actor=actor_of("alice"))
    reconcile_until_idle()
    assert add_catalog().state == "active"


def test_tenants_reach_no_addresses_inside(add_catalog: AddCatalog):
    row = add_catalog(url="https://127.0.0.1:1/catalog")
    assert row.state == "error"
    assert "must not reach" in row.message


def test_a_removed_environment_takes_its_catalogs_along(add_catalog: AddCatalog, lab: Environment, actor_of: Any):
    row = add_catalog()
    environment_act(lab, "deactivate", actor=actor_of("root"))
    reconcile_until_idle()
    environment_act(lab, "remove", actor=actor_of("root"))
    for _ in range(3):
        reconcile_until_idle()
    row.refresh_from_db()
    assert row.state == "removed"
    assert not Template.objects.exists()


def test_every_change_is_in_the_audit_log(add_catalog: AddCatalog, lab: Environment, actor_of: Any):
    row = add_catalog()
    catalog_update(row, actor=actor_of("alice"), description="Ours")
    catalog_act(row, "refresh", actor=actor_of("alice"))
    catalog_act(row, "remove", actor=actor_of("alice"))
    entries = Operation.all_objects.filter(kind="catalog", target=row.pk).order_by("pk")
    assert [each.name for each in entries] == [f"catalog.{name}" for name in ("create", "update", "refresh", "remove")]


def test_templates_are_found_by_their_words(add_catalog: AddCatalog, lab: Environment, actor_of: Any):
    add_catalog()
    rows = templates_of(actor_of("rita"), lab.pk)
    assert [each.key for each in matching(rows, "greet")] == ["counter", "greeter"]  # both serve a greeting
    assert [each.key for each in matching(rows, "counter tools")] == ["counter"]
    assert not matching(rows, "counter web")


def test_the_library_is_there_once_and_is_only_switched_off(library: FolderSource, actor_of: Any, lab: Environment):
    row = library_ensure()
    assert library_ensure() == row
    reconcile_until_idle()
    row.refresh_from_db()
    assert (row.state, row.environment_id) == ("active", None)
    assert templates_of(actor_of("rita"), lab.pk).filter(key="wordpress").exists()
    root = actor_of("root")
    for action in ("remove", "update"):
        with pytest.raises(ActionNotAvailable):
            catalog_act(row, action, actor=root)
    catalog_act(row, "deactivate", actor=root)
    reconcile_until_idle()
    library_ensure()
    reconcile_until_idle()
    row.refresh_from_db()
    assert row.state == "inactive"


def test_an_installation_may_be_without_the_library():
    ensure_library()  # the tests' settings leave it out
    assert not Catalog.all_objects.exists()


def test_only_so_many_catalogs_are_added(add_catalog: AddCatalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.catalog.services.MAX_CATALOGS", 1)
    add_catalog()
    with pytest.raises(Invalid) as refused:
        add_catalog(name="second")
    assert refused.value.code == "MaxLimitExceeded"


def test_a_change_keeps_what_it_does_not_name(add_catalog: AddCatalog, actor_of: Any):
    row = add_catalog(poll_seconds=900)
    catalog_update(row, actor=actor_of("alice"), name="renamed", poll_seconds=3600)
    row.refresh_from_db()
    assert (row.name, row.poll_seconds, row.branch) == ("renamed", 3600, "")


def test_catalog_create_needs_an_environment_or_an_administrator(actor_of: Any):
    with pytest.raises(Forbidden):
        catalog_create(actor=actor_of("alice"), environment=None, name="x", url="https://host/x")
