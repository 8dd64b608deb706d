"""`localAuthConfig`: an administrator's password, and who may log in with a local password."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.api.wire.auth import issue_token
from apps.core.models import Setting
from tests.wire.api_client import ApiClient

PASSWORD = "correct horse battery staple"
ADMIN = {"username": "chief", "password": "a brand-new password", "name": "The Chief"}


@pytest.fixture
def root(people: Any) -> ApiClient:
    """The administrator, logged in: no key sets a password."""
    return ApiClient(f"X-API-Bearer=:{issue_token(people.root)}")


def can_log_in(name: str, password: str = PASSWORD) -> bool:
    browser = Client().post("/login", {"login": name, "password": password}).status_code == 302
    token = Client().post("/v1/token", {"code": f"{name}:{password}"}, content_type="application/json").status_code
    assert browser == (token == 201)
    return browser


def test_post_creates_an_administrator(root: ApiClient):
    made = root.post("localauthconfigs", ADMIN)
    assert (made.status, made["password"], made["username"]) == (201, ADMIN["password"], "chief")
    chief = User.objects.get(login="chief")
    assert (chief.kind, chief.name) == ("admin", "The Chief")
    assert can_log_in("chief", ADMIN["password"])
    assert root.get("localauthconfigs")["data"][0]["password"] is None


def test_post_sets_the_password_of_an_existing_administrator(root: ApiClient):
    assert root.post("localauthconfigs", {**ADMIN, "username": "ROOT", "name": None}).status == 201
    assert can_log_in("root", ADMIN["password"])
    assert not can_log_in("root")
    assert User.objects.get(login="root").name == "Root"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": None}, "username"),
        ({"password": None}, "password"),
        ({"password": "short"}, "password"),
        ({"username": "alice"}, "username"),
        ({"enabled": False}, "enabled"),
        ({"accessMode": "open"}, "accessMode"),
    ],
)
def test_an_invalid_field_is_refused_by_name(root: ApiClient, changes: dict[str, Any], field: str):
    before = User.objects.get(login="alice").password
    answer = root.post("localauthconfigs", {**ADMIN, **changes})
    assert (answer.status, answer["fieldName"]) == (422, field)
    assert User.objects.get(login="alice").password == before
    assert not Setting.objects.filter(name="auth.local.access").exists()


@pytest.mark.parametrize(
    ("mode", "allowed", "inside"),
    [
        ("unrestricted", [], {"root", "alice", "mallory"}),
        ("restricted", [], {"root", "alice"}),
        ("required", [], {"root"}),
        ("required", ["mallory"], {"root", "mallory"}),
        ("restricted", ["mallory"], {"root", "alice", "mallory"}),
    ],
)
def test_the_access_mode_decides_who_logs_in_except_for_administrators(
    root: ApiClient, people: Any, lab: Any, mode: str, allowed: list[str], inside: set[str]
):
    listed = [{"externalIdType": "rancher_id", "externalId": f"1a{getattr(people, name).pk}"} for name in allowed]
    made = root.post("localauthconfigs", {**ADMIN, "accessMode": mode, "allowedIdentities": listed})
    assert [each["login"] for each in made["allowedIdentities"]] == allowed
    assert {name for name in ("root", "alice", "mallory") if can_log_in(name)} == inside


def test_accounts_that_lose_access_are_logged_out_at_once(root: ApiClient, people: Any, lab: Any):
    browsers = {}
    for name in ("root", "alice", "mallory"):
        browsers[name] = Client()
        browsers[name].post("/login", {"login": name, "password": PASSWORD})
    root.post("localauthconfigs", {**ADMIN, "accessMode": "restricted"})
    still = {name for name, browser in browsers.items() if browser.get("/environments").status_code == 200}
    assert still == {"root", "alice"}


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"accessMode": "open"}', '{"allowedIdentities": 7}'])
def test_an_unreadable_setting_admits_administrators_only(people: Any, lab: Any, text: str):
    Setting.objects.create(name="auth.local.access", value=text)
    assert {name for name in ("root", "alice") if can_log_in(name)} == {"root"}


def test_the_refusal_gives_the_reason_only_with_the_right_password(root: ApiClient, people: Any):
    root.post("localauthconfigs", {**ADMIN, "accessMode": "required"})
    response = Client().post("/login", {"login": "alice", "password": PASSWORD})
    assert b"may log in here" in response.content
    guessed = Client().post("/login", {"login": "alice", "password": "wrong"})
    assert b"may log in here" not in guessed.content
