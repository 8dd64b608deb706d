"""The dialog that changes the limits of a key: its choices, what it saves, and its refusals by field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.control.models import AuditEntry
from apps.environments.models import Environment
from apps.environments.services import account_key_create, environment_key_create

HX = {"HX-Request": "true"}


@pytest.fixture
def ours(lab: Environment, actor_of: Any, run_loop: Any) -> Callable[..., ApiKey]:
    """Makes a key of the lab."""

    def make(who: str = "alice", **limits: Any) -> ApiKey:
        made = environment_key_create(actor=actor_of(who), environment=lab, name="ci", **limits)
        run_loop()
        return made.key

    return make


def reload(key: ApiKey) -> ApiKey:
    return ApiKey.objects.select_related("scope").get(pk=key.pk)


def test_the_list_offers_it(browser_as: Any, at: Any, ours: Any):
    path = at("environment-key-edit", pk=ours().pk)
    assert path in browser_as("bob").get(at("keys")).content.decode()


def test_the_form_shows_what_is(browser_as: Any, at: Any, ours: Any):
    key = ours(role="restricted", addresses=["10.0.0.0/8"], expires=timezone.now() + timedelta(days=2))
    page = browser_as("alice").get(at("environment-key-edit", pk=key.pk), headers=HX).content.decode()
    assert 'value="10.0.0.0/8"' in page
    assert f"{reload(key).expires:%Y-%m-%d %H:%M}" in page
    assert '<option value="readonly"' in page
    assert '<option value="owner"' not in page


def test_saving_it_as_it_is_changes_nothing(browser_as: Any, at: Any, ours: Any):
    key = ours(role="restricted", addresses=["10.0.0.0/8"], expires=timezone.now() + timedelta(days=2))
    before = reload(key)
    sent = {"name": "ci", "role": "", "expires": "keep", "addresses": "10.0.0.0/8"}
    assert browser_as("alice").post(at("environment-key-edit", pk=key.pk), sent, headers=HX).status_code == 204
    after = reload(key)
    assert (after.expires, after.addresses, after.scope.role) == (before.expires, before.addresses, "restricted")


def test_everything_at_once(browser_as: Any, at: Any, ours: Any):
    key = ours()
    sent = {"name": "new", "description": "d", "role": "readonly", "expires": "7", "addresses": "10.0.0.1, ::1"}
    answer = browser_as("bob").post(at("environment-key-edit", pk=key.pk), sent, headers=HX)
    assert (answer.status_code, "Saved." in answer["HX-Trigger"]) == (204, True)
    after = reload(key)
    assert (after.name, after.description, after.scope.role) == ("new", "d", "readonly")
    assert after.addresses == ["10.0.0.1/32", "::1/128"]
    assert timedelta(days=6) < (after.expires or timezone.now()) - timezone.now() < timedelta(days=8)
    assert AuditEntry.all_objects.get(event="apiKey.update").code == "204"


def test_a_limit_is_taken_away(browser_as: Any, at: Any, ours: Any):
    key = ours(addresses=["10.0.0.0/8"], expires=timezone.now() + timedelta(days=2))
    sent = {"name": "ci", "expires": "", "addresses": ""}
    assert browser_as("alice").post(at("environment-key-edit", pk=key.pk), sent, headers=HX).status_code == 204
    assert (reload(key).expires, reload(key).addresses) == (None, [])


@pytest.mark.parametrize(
    ("who", "sent", "field", "words"),
    [
        ("alice", {"role": "owner"}, "role", "may do more than this key"),
        ("alice", {"addresses": "here"}, "addresses", "is not an address"),
        ("alice", {"expires": "at", "until": "2001-01-01T00:00"}, "expires", "in the past"),
        ("alice", {"expires": "at"}, "expires", "Enter a time"),
        ("alice", {"name": "x" * 300}, "name", "at most 255"),
        ("rex", {"addresses": ""}, "addresses", "may do more than you"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    who: str, sent: dict[str, str], field: str, words: str, browser_as: Any, at: Any, ours: Any
):
    key = ours(role="member", addresses=["10.0.0.0/8"])
    typed = {"name": "new", "addresses": "10.0.0.0/8", "expires": "keep", **sent}
    answer = browser_as(who).post(at("environment-key-edit", pk=key.pk), typed, headers=HX)
    assert answer.status_code == 422
    assert words in answer.context["errors"][field]
    assert (reload(key).name, reload(key).addresses, reload(key).scope.role) == ("ci", ["10.0.0.0/8"], "member")


def test_who_may_not_sees_no_form(browser_as: Any, at: Any, ours: Any):
    path = at("environment-key-edit", pk=ours().pk)
    assert browser_as("rita").get(path, headers=HX).status_code == 403
    assert browser_as("rita").post(path, {"name": "x"}, headers=HX).status_code == 403
    assert browser_as("mallory").get(path, headers=HX).status_code == 404


def test_one_s_account_s_key_and_nobody_else_s(browser_as: Any, actor_of: Any, run_loop: Any):
    key = account_key_create(actor=actor_of("bob"), name="mine").key
    run_loop()
    path = f"/account/keys/{key.pk}/edit"
    assert browser_as("bob").get(path, headers=HX).status_code == 200
    assert browser_as("bob").post(path, {"name": "mine", "role": "readonly"}, headers=HX).status_code == 204
    assert (reload(key).role, reload(key).expires) == ("readonly", None)
    assert browser_as("alice").post(path, {"name": "hers"}, headers=HX).status_code == 404
    assert reload(key).name == "mine"
