"""`catalog` on the v1 wire: added, changed, refreshed, removed; of an environment, and of the whole installation."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog.models import Catalog
from apps.catalog.storage import FILES
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import row_number, wire_id
from tests.catalog.repositories import Repository, git, template_files
from tests.wire.api_client import ApiClient

URL = "https://git.example.com/templates.git"
SECRET = "a-token-of-git"


@pytest.fixture
def repository(tmp_path: Any) -> Any:
    """*Greeter* in two versions."""
    FILES.clear()
    found = Repository(tmp_path / "repository")
    found.commit(template_files("templates/greeter", "Greeter", {0: "1.0", 1: "1.1"}))
    yield found
    FILES.clear()


def row_of(found: Any) -> Catalog:
    return Catalog.all_objects.get(pk=row_number(found["id"]))


def add(api: ApiClient, **more: Any) -> Any:
    made = api.post("catalogs", {"name": "ours", "url": URL, **more})
    assert made.status == 201, made.body
    return made


def test_a_catalog_is_added_and_read_by_the_loop(api: ApiClient, repository: Repository, lab: Any) -> None:
    made = add(api, url=repository.url, branch="main", pollSeconds=3600, description="What we run")
    assert (made["type"], made["state"], made["accountId"]) == ("catalog", "registering", wire_id("a", lab.pk))
    reconcile_until_idle()
    found = api.get(made["links"]["self"])
    assert (found["state"], found["commit"]) == ("active", git(repository.folder, "rev-parse", "HEAD"))
    assert (found["source"], found["branch"], found["pollSeconds"]) == ("git", "main", 3600)
    assert found["indexedAt"]
    templates = api.get(f"/v1-catalog/templates?projectId={wire_id('a', lab.pk)}&catalogId=ours")
    assert [each["name"] for each in templates["data"]] == ["Greeter"]


def test_a_new_commit_is_read_at_a_refresh(api: ApiClient, repository: Repository) -> None:
    made = add(api, url=repository.url, pollSeconds=604_800)
    reconcile_until_idle()
    newest = repository.commit(template_files("templates/counter", "Counter", {0: "0.1"}))
    reconcile_until_idle()
    assert api.get(made["links"]["self"])["commit"] != newest
    assert api.post(f"catalogs/{made['id']}?action=refresh").status == 202
    reconcile_until_idle()
    assert api.get(made["links"]["self"])["commit"] == newest


def test_the_secret_is_kept_and_never_shown(api: ApiClient) -> None:
    made = add(api, username="robot", secretValue=SECRET)
    reconcile_until_idle()
    found = api.get(made["links"]["self"])
    assert (found["username"], found["secretValue"]) == ("robot", None)
    changed = api.put(f"catalogs/{made['id']}", {"description": "Changed", "secretValue": None})
    assert (changed.status, changed["description"], changed["secretValue"]) == (200, "Changed", None)
    assert row_of(made).secret == SECRET
    assert not [each for each in AuditEntry.all_objects.all() if SECRET in str(each.__dict__)]


def test_the_address_of_another_server_takes_the_secret_anew(api: ApiClient) -> None:
    made = add(api, secretValue=SECRET)
    api.put(f"catalogs/{made['id']}", {"url": "https://elsewhere.example.com/templates.git"})
    assert row_of(made).secret == ""


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"url": None}, "url", "MissingRequired"),
        ({"name": None}, "name", "MissingRequired"),
        ({"url": "--upload-pack=touch"}, "url", "InvalidFormat"),
        ({"url": "/etc"}, "url", "InvalidFormat"),
        ({"branch": "-b"}, "branch", "InvalidFormat"),
        ({"pollSeconds": 5}, "pollSeconds", "MinLimitExceeded"),
        ({"name": "a b"}, "name", "InvalidCharacters"),
        ({"url": "ssh://git@git.example.com/t.git", "secretValue": "word"}, "secretValue", "InvalidFormat"),
        ({"secretValue": "two\nlines"}, "secretValue", "InvalidFormat"),
    ],
)
def test_what_is_wrong_is_named_and_adds_nothing(api: ApiClient, given: Any, field: str, code: str) -> None:
    refused = api.post("catalogs", {"name": "ours", "url": URL, **given})
    assert (refused.status, refused["fieldName"], refused["code"]) == (422, field, code), refused.body
    made = add(api)
    changed = api.put(f"catalogs/{made['id']}", given)
    if None not in given.values():
        assert (changed.status, changed["fieldName"]) == (422, field), changed.body
    assert (row_of(made).url, row_of(made).name) == (URL, "ours")


def test_names_are_taken_once(api: ApiClient) -> None:
    add(api)
    assert api.post("catalogs", {"name": "OURS", "url": URL})["code"] == "NotUnique"


def test_administrators_add_one_for_all_environments(api_of: Any, api: ApiClient, lab: Any) -> None:
    made = add(api_of("root"), name="site", username="robot")
    assert (made["accountId"], made["username"]) == (None, "robot")
    lent = api.get(f"catalogs/{made['id']}")
    assert (lent.status, lent["username"], lent["actions"]) == (200, None, {})
    assert api.put(f"catalogs/{made['id']}", {"description": "mine"}).status == 403
    assert api.delete(f"catalogs/{made['id']}").status == 403
    assert api_of("root").inside(lab).post("catalogs", {"name": "labs", "url": URL})["accountId"] == wire_id(
        "a", lab.pk
    )


def test_who_is_no_owner_reads_only(api: ApiClient, api_of: Any, lab: Any) -> None:
    made = add(api)
    for name in ("bob", "rita"):
        reader = api_of(name).inside(lab)
        assert reader.get(f"catalogs/{made['id']}")["url"] == URL
        assert reader.post("catalogs", {"name": "mine", "url": URL}).status == 405
        assert reader.put(f"catalogs/{made['id']}", {"name": "mine"}).status == 405
        assert reader.post(f"catalogs/{made['id']}?action=refresh").status == 422
        assert reader.delete(f"catalogs/{made['id']}").status == 405
    assert api_of("bob").post("catalogs", {"name": "mine", "url": URL}).status == 405
    assert api_of("mallory").get(f"catalogs/{made['id']}").status == 404
    assert row_of(made).desired == "active"


def test_a_catalog_is_removed_with_its_secret(api: ApiClient, repository: Repository) -> None:
    made = add(api, secretValue=SECRET)
    reconcile_until_idle()
    assert api.post(f"catalogs/{made['id']}?action=deactivate").status == 202
    reconcile_until_idle()
    assert api.get(f"catalogs/{made['id']}")["state"] == "inactive"
    assert api.delete(f"catalogs/{made['id']}").status in {200, 202}
    reconcile_until_idle()
    assert (row_of(made).state, row_of(made).secret) == ("removed", "")
