"""The list of what was deleted lately: who, when, until when; restored or deleted for good with a click."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.control.reconcile import reconcile_one
from apps.core.models import Setting
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, service_remove
from apps.stacks.stack_upgrade import stack_act

HX = {"HX-Request": "true"}


@pytest.fixture
def gone(web: Service, actor_of: Any, run_loop: Any) -> Service:
    """The service, deleted."""
    service_remove(web, actor=actor_of("bob"))
    run_loop()
    reconcile_one("service", web.pk)
    web.refresh_from_db()
    assert web.removed is not None
    return web


def test_it_is_listed_and_restored(browser_as: Any, at: Any, gone: Service, run_loop: Any):
    client = browser_as("alice")
    page = client.get(at("deleted")).content.decode()
    assert "service of shop" in page
    assert "Bob" in page
    answer = client.post(at("service-restore", pk=gone.pk), headers=HX)
    assert answer["HX-Redirect"] == at("service", pk=gone.pk)
    run_loop()
    gone.refresh_from_db()
    assert (gone.removed, gone.desired) == (None, "active")
    assert "Nothing to restore" in client.get(at("deleted")).content.decode()


def test_another_name_is_said(browser_as: Any, at: Any, gone: Service, actor_of: Any):
    service_create(actor=actor_of("alice"), stack=gone.stack, name="web", config=gone.config)
    client = browser_as("bob")
    client.post(at("service-restore", pk=gone.pk), headers=HX)
    page = client.get(at("service", pk=gone.pk)).content.decode()
    assert "Restoring web as web-restored: its old name is taken." in page


def test_a_stack_and_what_went_with_it(browser_as: Any, at: Any, gone: Service, actor_of: Any, run_loop: Any):
    stack = Stack.all_objects.get(pk=gone.stack_id)
    stack_act(stack, "remove", actor=actor_of("alice"))
    run_loop()
    client = browser_as("bob")
    assert "Its stack is deleted: restore that first." in client.get(at("deleted")).content.decode()
    assert client.post(at("service-restore", pk=gone.pk), headers=HX).status_code == 422
    assert client.post(at("stack-restore", pk=stack.pk), headers=HX)["HX-Redirect"] == at("stack", pk=stack.pk)


def test_it_is_deleted_for_good(browser_as: Any, at: Any, gone: Service, run_loop: Any):
    client = browser_as("bob")
    assert "cannot be restored any more" in client.get(at("service-purge", pk=gone.pk), headers=HX).content.decode()
    answer = client.post(at("service-purge", pk=gone.pk), headers=HX)
    assert json.loads(answer["HX-Trigger"])["corral:toast"]["text"] == "web is deleted for good."
    run_loop()
    assert client.post(at("service-restore", pk=gone.pk), headers=HX).status_code == 404


@pytest.mark.parametrize(("who", "status"), [("rita", 403), ("mallory", 404)])
def test_others_restore_and_purge_nothing(browser_as: Any, at: Any, gone: Service, who: str, status: int):
    client = browser_as(who)
    for name in ("service-restore", "service-purge"):
        assert client.post(at(name, pk=gone.pk), headers=HX).status_code == status
    gone.refresh_from_db()
    assert gone.desired == "removed"


def test_it_can_be_turned_off(browser_as: Any, at: Any, gone: Service):
    Setting.objects.create(name="retention.restore.days", value="0")
    page = browser_as("alice").get(at("deleted")).content.decode()
    assert "An administrator has turned restoring off." in page
    assert browser_as("alice").post(at("service-restore", pk=gone.pk), headers=HX).status_code == 404
