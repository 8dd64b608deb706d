"""Environments and their members, accounts, keys, settings."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, User
from apps.accounts.selectors import find_usable_key
from apps.control.models import AuditEntry
from apps.core.defaults import setting
from apps.environments.models import Environment, KeyScope, Member

PASSWORD = "correct horse battery staple"  # of everybody in the lab
HX = {"HX-Request": "true"}


def role(lab: Environment, login: str) -> str | None:
    return Member.objects.filter(environment=lab, account__login=login).values_list("role", flat=True).first()


def test_an_environment_is_made_renamed_and_deleted(browser_as: Any, run_loop: Any):
    client = browser_as("mallory")
    answer = client.post("/environments/new", {"name": "Den"}, headers=HX)
    den = Environment.objects.get(name="Den")
    assert answer["HX-Redirect"] == f"/environments/{den.pk}"
    run_loop()
    client.post(f"/environments/{den.pk}/edit", {"name": "Lair", "description": "deep"}, headers=HX)
    run_loop()
    den.refresh_from_db()
    assert (den.name, den.description) == ("Lair", "deep")
    path, named = f"/environments/{den.pk}/remove", {"confirm": den.name}
    assert client.post(path, named, headers=HX)["HX-Redirect"] == "/environments"
    run_loop()
    assert client.get(f"/environments/{den.pk}").status_code == 404


def test_an_environment_without_a_name_is_refused(browser_as: Any):
    answer = browser_as("mallory").post("/environments/new", {"name": " "}, headers=HX)
    assert answer.status_code == 422
    assert b"needs a name" in answer.content


def test_a_foreign_environment_is_not_found(browser_as: Any, lab: Environment):
    client = browser_as("mallory")
    for path in ("", "/edit", "/remove"):
        assert client.get(f"/environments/{lab.pk}{path}").status_code == 404
    assert client.post(f"/environments/{lab.pk}/members", {"login": "mallory", "role": "owner"}).status_code == 404
    assert lab.name not in client.get("/environments").content.decode()


def test_an_admin_finds_every_environment_in_the_list(browser_as: Any, lab: Environment):
    assert lab.name in browser_as("root").get("/environments").content.decode()


def test_members_come_change_and_go(browser_as: Any, lab: Environment):
    client = browser_as("alice")
    mallory = User.objects.get(login="mallory")
    client.post(f"/environments/{lab.pk}/members", {"login": "MALLORY", "role": "readonly"}, headers=HX)
    assert role(lab, "mallory") == "readonly"
    client.post(f"/environments/{lab.pk}/members/{mallory.pk}", {"role": "member"}, headers=HX)
    assert role(lab, "mallory") == "member"
    client.post(f"/environments/{lab.pk}/members/{mallory.pk}/remove", headers=HX)
    assert role(lab, "mallory") is None


def test_the_last_owner_stays_and_unknown_names_are_reported(browser_as: Any, lab: Environment):
    client = browser_as("alice")
    alice = User.objects.get(login="alice")
    response = client.post(f"/environments/{lab.pk}/members/{alice.pk}/remove", headers=HX)
    assert response.status_code == 400
    assert "at least one owner" in json.loads(response["HX-Trigger"])["corral:toast"]["text"]
    unknown = client.post(f"/environments/{lab.pk}/members", {"login": "nobody", "role": "member"}, headers=HX)
    assert unknown.status_code == 422
    assert role(lab, "alice") == "owner"


@pytest.mark.parametrize("name", ["bob", "rex", "rita"])
def test_only_owners_choose_members(name: str, browser_as: Any, lab: Environment):
    client = browser_as(name)
    for data in ({"login": "mallory", "role": "owner"}, {"login": "nobody", "role": "owner"}):
        assert client.post(f"/environments/{lab.pk}/members", data, headers=HX).status_code == 403
    assert role(lab, "mallory") is None
    assert b"Add member" not in client.get(f"/environments/{lab.pk}").content


def test_a_key_of_an_environment_is_shown_once_and_works(browser_as: Any, at: Any, lab: Environment):
    client = browser_as("bob")
    page = client.post(at("key-new"), {"name": "ci"}, headers=HX)
    access = re.search(rb'data-access.*?data-copy="([^"]+)"', page.content, re.DOTALL)
    secret = re.search(rb'data-secret.*?data-copy="([^"]+)"', page.content, re.DOTALL)
    assert access is not None
    assert secret is not None
    key = find_usable_key(access[1].decode(), secret[1].decode())
    assert key is not None
    assert KeyScope.objects.get(key=key).environment == lab
    assert page["Cache-Control"] == "no-store"
    assert secret[1] not in client.get(at("keys")).content
    assert access[1] in client.get(at("keys")).content


def test_a_key_is_put_out_of_use_and_deleted(browser_as: Any, at: Any, run_loop: Any):
    client = browser_as("bob")
    client.post(at("key-new"), {"name": "ci"}, headers=HX)
    key = ApiKey.objects.get(name="ci")
    run_loop()
    assert client.post(at("environment-key-do", pk=key.pk, action="deactivate"), headers=HX).status_code == 204
    run_loop()
    assert client.post(at("environment-key-remove", pk=key.pk), headers=HX).status_code == 204
    run_loop()
    assert b"ci" not in client.get(at("keys")).content.split(b"<main")[1].split(b"No keys yet")[0]
    assert b"No keys yet" in client.get(at("keys")).content


def test_readers_make_no_keys(browser_as: Any, at: Any):
    assert browser_as("rita").post(at("key-new"), {"name": "mine"}, headers=HX).status_code == 403
    assert not ApiKey.objects.exists()


def test_account_keys_are_ones_own(browser_as: Any):
    browser_as("bob").post("/account/keys/new", {"name": "laptop"}, headers=HX)
    key = ApiKey.objects.get(name="laptop")
    other = browser_as("alice")
    assert b"laptop" not in other.get("/account/keys").content
    assert other.post(f"/account/keys/{key.pk}/do/deactivate", headers=HX).status_code == 404
    assert other.post(f"/account/keys/{key.pk}/remove", headers=HX).status_code == 404


def test_a_key_with_an_endless_name_is_refused(browser_as: Any, at: Any):
    answer = browser_as("bob").post(at("key-new"), {"name": "x" * 300}, headers=HX)
    assert answer.status_code == 422
    assert not ApiKey.objects.exists()


def test_an_admin_makes_changes_and_deletes_accounts(browser_as: Any, run_loop: Any):
    client = browser_as("root")
    client.post("/admin/accounts/new", {"login": "grace", "password": PASSWORD, "kind": "user"}, headers=HX)
    grace = User.objects.get(login="grace")
    run_loop()
    client.post(f"/admin/accounts/{grace.pk}/edit", {"name": "Grace", "kind": "admin", "password": ""}, headers=HX)
    grace.refresh_from_db()
    assert (grace.name, grace.kind) == ("Grace", "admin")
    run_loop()
    assert client.post(f"/admin/accounts/{grace.pk}/do/deactivate", headers=HX).status_code == 204
    run_loop()
    assert not Client().login(username="grace", password=PASSWORD)
    client.post(f"/admin/accounts/{grace.pk}/remove", headers=HX)
    run_loop()
    assert client.get(f"/admin/accounts/{grace.pk}/edit").status_code == 404


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"login": "", "password": PASSWORD}, b"log-in name is required"),
        ({"login": "BOB", "password": PASSWORD}, b"is taken"),
        ({"login": "new", "password": "short"}, b"too short"),
        ({"login": "new", "password": PASSWORD, "kind": "god"}, b"kind is one of"),
    ],
)
def test_a_bad_account_is_refused_at_its_field(browser_as: Any, data: dict[str, str], words: bytes):
    answer = browser_as("root").post("/admin/accounts/new", data, headers=HX)
    assert answer.status_code == 422
    assert words in answer.content
    assert not User.objects.filter(login="new").exists()


def test_the_last_administrator_stays(browser_as: Any, people: Any):
    answer = browser_as("root").post(f"/admin/accounts/{people.root.pk}/do/deactivate", headers=HX)
    assert answer.status_code == 409
    assert browser_as("root").get("/admin/accounts").status_code == 200


def test_a_setting_is_changed_put_back_and_written_down(browser_as: Any):
    client = browser_as("root")
    client.post("/admin/settings/retention", {"retention.audit.days": "30"}, headers=HX)
    assert setting("retention.audit.days") == "30"
    client.post("/admin/settings/retention", {"retention.audit.days": ""}, headers=HX)
    assert setting("retention.audit.days") == "90"
    assert AuditEntry.all_objects.filter(event__startswith="setting.").count() == 2
    assert client.post("/admin/settings/nothing", {"no.such": "1"}, headers=HX).status_code == 404
    assert browser_as("alice").post("/admin/settings/hosts", {"api.host": "x"}, headers=HX).status_code == 404
