"""The message after a deletion or a smaller scale offers to take it back, and says what became of that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.stacks.models import Service

HX = {"HX-Request": "true"}


def toast(answer: Any) -> dict[str, str]:
    """The toast in a response."""
    found: dict[str, str] = json.loads(answer["HX-Trigger"])["corral:toast"]
    return found


@pytest.mark.parametrize("kind", ["stack", "service"])
def test_the_page_after_a_deletion_offers_to_undo_it(browser_as: Any, at: Any, web: Service, run_loop: Any, kind: str):
    row, client = (web if kind == "service" else web.stack), browser_as("bob")
    answer = client.post(at(f"{kind}-remove", pk=row.pk), headers=HX)
    undo = at(f"{kind}-undo", pk=row.pk)
    assert f'data-undo="{undo}"' in client.get(answer["HX-Redirect"]).content.decode()
    run_loop()
    undone = client.post(undo, headers=HX)
    assert undone.status_code == 204
    assert "stays" in toast(undone)["text"]
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, row.removal_requested) == ("active", False)
    assert Container.all_objects.filter(removed=None, desired="running").count() == 2


def test_a_smaller_scale_offers_to_undo_it_and_a_larger_one_does_not(browser_as: Any, at: Any, web: Service):
    client, path = browser_as("bob"), at("service-scale", pk=web.pk)
    assert "undo" not in toast(client.post(path, {"by": "1"}, headers=HX))
    undo = toast(client.post(path, {"scale": "1", "seen": "3", "confirmed": "on"}, headers=HX))["undo"]
    assert undo == at("service-undo", pk=web.pk)
    assert toast(client.post(undo, headers=HX))["text"] == "web keeps its 3 containers."
    again = client.post(undo, headers=HX)
    assert (again.status_code, toast(again)["text"]) == (422, "It is too late to undo this.")


def test_who_may_not_delete_may_not_undo(browser_as: Any, at: Any, web: Service):
    browser_as("bob").post(at("service-remove", pk=web.pk), headers=HX)
    assert browser_as("rita").post(at("service-undo", pk=web.pk), headers=HX).status_code == 403
    assert browser_as("mallory").post(at("service-undo", pk=web.pk), headers=HX).status_code == 404
    web.refresh_from_db()
    assert web.removal_requested


def test_undoing_is_a_post(browser_as: Any, at: Any, web: Service):
    assert browser_as("bob").get(at("service-undo", pk=web.pk)).status_code == 405


@pytest.mark.parametrize("kind", ["service", "stack"])
def test_its_page_offers_to_undo_it_as_long_as_it_can_be(browser_as: Any, at: Any, web: Service, kind: str):
    row, client = web if kind == "service" else web.stack, browser_as("bob")
    page, undo = at(kind, pk=row.pk), at(f"{kind}-undo", pk=row.pk)
    client.post(at(f"{kind}-remove", pk=row.pk), headers=HX)
    assert f'hx-post="{undo}"' not in browser_as("rita").get(page).content.decode()
    assert f'hx-post="{undo}"' in client.get(page).content.decode()
    type(row).all_objects.filter(pk=row.pk).update(undo_until=timezone.now())
    assert f'hx-post="{undo}"' not in client.get(page).content.decode()
