"""The dialog before something is deleted: large things want their name typed, in every way in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack

HX = {"HX-Request": "true"}
LARGE = ("environment", "stack", "host")


def keep_a_volume(web: Service) -> None:
    """Have the engine report a named volume of the service's containers."""
    mount = {"kind": "volume", "name": "orders", "target": "/data", "source": "/var/lib/docker/volumes/orders"}
    for row in Container.all_objects.filter(spread_key=str(web.uuid)):
        Container.all_objects.filter(pk=row.pk).update(status={**row.status, "mounts": [mount]})


@pytest.fixture(params=LARGE)
def large(request: pytest.FixtureRequest, web: Service, lab: Environment, host: Host, at: Any) -> tuple[Any, str]:
    if request.param == "environment":
        return lab, reverse("console:environment-remove", kwargs={"pk": lab.pk})
    if request.param == "stack":
        keep_a_volume(web)
    row = web.stack if request.param == "stack" else host
    return row, str(at(f"{request.param}-remove", pk=row.pk))


@pytest.mark.parametrize("typed", [None, "", "Sho", "SHOP ", "x" * 5000])
def test_without_its_name_nothing_large_is_deleted(browser_as: Any, large: Any, typed: str | None):
    row, path = large
    answer = browser_as("alice").post(path, {} if typed is None else {"confirm": typed}, headers=HX)
    assert answer.status_code == 422
    assert f"Type {row.name}" in answer.content.decode()
    row.refresh_from_db()
    assert not row.removal_requested


def test_the_dialog_says_what_to_type_and_focuses_cancel(browser_as: Any, large: Any):
    row, path = large
    page = browser_as("alice").get(path, headers=HX).content.decode()
    assert f'data-confirm-name="{row.name}"' in page
    assert re.search(r"data-close\s+autofocus\s*>", page)
    assert page.count("autofocus") == 1


def test_with_its_name_it_is_deleted(browser_as: Any, shop: Stack, web: Service, at: Any):
    sent = {"confirm": " shop "}
    assert browser_as("alice").post(at("stack-remove", pk=shop.pk), sent, headers=HX).status_code == 204
    shop.refresh_from_db()
    assert shop.removal_requested


def test_what_can_be_made_again_is_deleted_by_its_button(browser_as: Any, web: Service, at: Any):
    path = at("stack-remove", pk=web.stack_id)
    assert "data-confirm-name" not in browser_as("alice").get(path, headers=HX).content.decode()
    assert browser_as("alice").post(path, headers=HX).status_code == 204


def test_the_dialog_says_what_stays_and_that_its_size_is_not_known(browser_as: Any, web: Service, at: Any):
    keep_a_volume(web)
    page = browser_as("alice").get(at("service-remove", pk=web.pk), headers=HX).content.decode()
    assert "These volumes stay on their hosts:" in page
    assert "volume orders on h1 (size unknown)" in page


def test_something_small_is_deleted_by_its_button(browser_as: Any, shop: Stack, at: Any):
    path = at("stack-remove", pk=shop.pk)
    assert "data-confirm-name" not in browser_as("alice").get(path, headers=HX).content.decode()
    assert browser_as("alice").post(path, headers=HX).status_code == 204


def test_who_may_not_delete_is_told_so_whatever_was_typed(browser_as: Any, large: Any):
    _row, path = large
    for typed in ("", large[0].name):
        assert browser_as("rita").post(path, {"confirm": typed}, headers=HX).status_code == 403


def test_stopping_everything_asks_first(browser_as: Any, web: Service, at: Any):
    path = at("stack-all", pk=web.stack_id, action="deactivate")
    page = browser_as("alice").get(path, headers=HX).content.decode()
    assert "service web with 2 containers" in page
    assert browser_as("alice").get(at("stack-all", pk=web.stack_id, action="activate")).status_code == 405
    web.refresh_from_db()
    assert web.desired == "active"


def test_a_form_without_its_cookie_is_refused_in_words(lab: Environment, people: Any):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    page = strict.post("/login", {"login": "alice"})
    assert page.status_code == 403
    assert "no valid cookie" in page.content.decode()
    strict.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    path = reverse("console:environment-edit", kwargs={"pk": lab.pk})
    answer = strict.post(path, {"name": "x"}, headers=HX)
    assert answer.status_code == 403
    assert "Reload the page" in answer["HX-Trigger"]
    strict.logout()
    away = strict.post(
        path, {"name": "x"}, headers={**HX, "HX-Current-URL": f"http://testserver/environments/{lab.pk}"}
    )
    assert away["HX-Redirect"] == f"/login?next=%2Fenvironments%2F{lab.pk}"
