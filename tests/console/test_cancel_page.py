"""Cancel and retry in the console: the consequences are shown first, and those who may not are refused."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.models import Operation

HX = {"HX-Request": "true"}


@pytest.fixture
def stopping(container: Container, actor_of: Any) -> Operation:
    """A container is to stop and has not been reconciled yet."""
    container_act(container, "stop", actor=actor_of("bob"))
    found: Operation = Operation.all_objects.filter(name="container.stop").order_by("-pk")[0]
    return found


def test_the_dialog_says_what_becomes_of_it_before_anything_happens(browser_as: Any, at: Any, stopping: Operation):
    page = browser_as("bob").get(at("operation-cancel", pk=stopping.pk), headers=HX).content.decode()
    assert "The previous desired state is restored" in page
    assert "Take it back" in page
    stopping.refresh_from_db()
    assert stopping.is_pending


def test_taking_back_a_birth_says_that_it_is_removed(browser_as: Any, at: Any, lab: Any, host: Any):
    browser_as("bob").post(at("container-new"), {"name": "new", "image": "bb:local", "start": "on"}, headers=HX)
    birth = Operation.all_objects.filter(name="container.create").order_by("-pk")[0]
    page = browser_as("bob").get(at("operation-cancel", pk=birth.pk), headers=HX).content.decode()
    assert "Everything created so far will be removed." in page


def test_a_press_of_the_button_takes_it_back(
    browser_as: Any, at: Any, stopping: Operation, container: Container, run_loop: Any
):
    answer = browser_as("bob").post(at("operation-cancel", pk=stopping.pk), headers=HX)
    assert answer["HX-Redirect"] == at("operation", pk=stopping.pk)
    run_loop()
    container.refresh_from_db()
    assert container.display_state == "running"
    page = browser_as("rita").get(at("operation", pk=stopping.pk)).content.decode()
    assert "cancelled" in page
    assert "Cancelled by Bob." in page


def test_a_reader_sees_why_the_button_is_grey(browser_as: Any, at: Any, stopping: Operation):
    rita = browser_as("rita")
    page = rita.get(at("operation", pk=stopping.pk)).content.decode()
    assert 'title="Your role here (readonly) may not do this: it lacks the permission operate."' in page
    assert "Take it back" not in rita.get(at("operation-cancel", pk=stopping.pk), headers=HX).content.decode()
    assert rita.post(at("operation-cancel", pk=stopping.pk), headers=HX).status_code == 403
    assert rita.post(at("operation-retry", pk=stopping.pk), headers=HX).status_code == 403


def test_what_is_over_offers_nothing(browser_as: Any, at: Any, container: Container):
    done = Operation.all_objects.filter(name="container.create", state="succeeded")[0]
    page = browser_as("bob").get(at("operation", pk=done.pk)).content.decode()
    assert "Reconcile now" not in page
    assert "Try again" not in page
    assert browser_as("bob").post(at("operation-cancel", pk=done.pk), headers=HX).status_code == 422
    assert "It is over" in browser_as("bob").get(at("operation-cancel", pk=done.pk), headers=HX).content.decode()


def test_a_failed_one_is_tried_again_and_leads_to_its_successor(browser_as: Any, at: Any, stopping: Operation):
    Operation.all_objects.filter(pk=stopping.pk).update(state="failed", message="broke")
    page = browser_as("bob").get(at("operation", pk=stopping.pk)).content.decode()
    assert "Try again" in page
    answer = browser_as("bob").post(at("operation-retry", pk=stopping.pk), headers=HX)
    successor = Operation.all_objects.filter(name="container.stop").order_by("-pk")[0]
    assert successor.pk != stopping.pk
    assert answer["HX-Redirect"] == at("operation", pk=successor.pk)


def test_the_steps_are_on_the_page(browser_as: Any, at: Any, container: Container):
    birth = Operation.all_objects.get(name="container.create", target=container.pk)
    page = browser_as("rita").get(at("operation", pk=birth.pk)).content.decode()
    for step in ("Placed on h1.", "Created on h1.", "Started."):
        assert step in page


def test_cancelled_ones_have_a_tab(browser_as: Any, at: Any, stopping: Operation):
    browser_as("bob").post(at("operation-cancel", pk=stopping.pk), headers=HX)
    page = browser_as("bob").get(at("activity") + "?state=cancelled").content.decode()
    assert f"operation-{stopping.pk}" in page
    assert "container.create" not in page


def test_a_foreign_operation_is_not_found(browser_as: Any, at: Any, stopping: Operation):
    for name in ("operation", "operation-cancel", "operation-retry"):
        assert browser_as("mallory").post(at(name, pk=stopping.pk), headers=HX).status_code == 404
