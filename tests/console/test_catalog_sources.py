"""The pages of catalogs themselves: added, changed and removed by those who may."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog.models import Catalog
from apps.environments.models import Environment

pytestmark = pytest.mark.django_db
NEW = {"name": "theirs", "url": "https://git.example.org/catalog.git", "pollSeconds": "3600"}


def test_an_owner_adds_changes_and_removes_a_catalog(browser_as: Any, at: Any, lab: Environment):
    client = browser_as("alice")
    assert client.get(at("catalog-source-new")).status_code == 200
    secret = {"username": "bob", "secretValue": "s3cret-w0rd"}
    assert client.post(at("catalog-source-new"), {**NEW, **secret}).status_code == 302
    row = Catalog.all_objects.get(name="theirs")
    assert (row.environment_id, row.poll_seconds, row.secret) == (lab.pk, 3600, "s3cret-w0rd")
    page = client.get(at("catalog-source-edit", pk=row.pk)).content.decode()
    assert "s3cret-w0rd" not in page
    client.post(at("catalog-source-edit", pk=row.pk), {**NEW, "username": "bob", "branch": "next"})
    row.refresh_from_db()
    assert (row.branch, row.secret) == ("next", "s3cret-w0rd")
    assert client.post(at("catalog-source-do", pk=row.pk, action="deactivate")).status_code == 302
    assert client.get(at("catalog-source-remove", pk=row.pk)).status_code == 200
    client.post(at("catalog-source-remove", pk=row.pk))
    row.refresh_from_db()
    assert row.desired == "removed"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "--upload-pack=x"}, "url"),
        ({"name": "a b"}, "name"),
        ({"branch": "-x"}, "branch"),
        ({"pollSeconds": "1"}, "pollSeconds"),
        ({"secretValue": "a\nb"}, "secretValue"),
    ],
)
def test_what_is_wrong_with_a_catalog_is_said_at_its_field(browser_as: Any, at: Any, given: dict[str, str], field: str):
    answer = browser_as("alice").post(at("catalog-source-new"), {**NEW, **given})
    assert answer.status_code == 422
    assert list(answer.context["errors"]) == [field]


def test_members_see_catalogs_and_change_none(browser_as: Any, at: Any):
    browser_as("alice").post(at("catalog-source-new"), {**NEW, "name": "ours"})
    catalog = Catalog.all_objects.get(name="ours")
    client = browser_as("bob")
    text = client.get(at("catalog-sources")).content.decode()
    assert "ours" in text
    assert client.get(at("catalog-source-new")).status_code == 403
    client.post(at("catalog-source-do", pk=catalog.pk, action="deactivate"))
    catalog.refresh_from_db()
    assert catalog.desired == "active"


def test_administrators_keep_catalogs_for_all(browser_as: Any, at: Any):
    client = browser_as("root")
    assert client.post("/admin/catalogs/new", {**NEW, "name": "site"}).status_code == 302
    row = Catalog.all_objects.get(name="site")
    assert row.environment_id is None
    assert "site" in client.get("/admin/catalogs").content.decode()
    assert client.get(f"/admin/catalogs/{row.pk}/edit").status_code == 200
    assert client.post(f"/admin/catalogs/{row.pk}/do/refresh").status_code == 302
    text = browser_as("alice").get(at("catalog-sources")).content.decode()
    assert "site" in text
    assert NEW["url"] not in text  # where it comes from is the administrators' affair
    assert browser_as("alice").get("/admin/catalogs").status_code in {403, 404}
    for page in ("edit", "remove"):
        assert browser_as("alice").get(at(f"catalog-source-{page}", pk=row.pk)).status_code == 404
    client.post(f"/admin/catalogs/{row.pk}/remove")
    row.refresh_from_db()
    assert row.desired == "removed"
