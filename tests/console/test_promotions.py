"""Promotions in the console: the form with its preview, the list, approval by a second person, rules."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from apps.stacks.promotions.models import Promotion
from apps.stacks.promotions.rules import rules_of, rules_set
from tests.stacks.promotions.promoting import dev, live, prod, promote

__all__ = ["dev", "live", "prod", "promote"]

LIST = reverse("console:promotions")


def page(environment: Environment, name: str, **kwargs: Any) -> str:
    return reverse(f"console:{name}", kwargs={"environment": environment.pk, **kwargs})


@pytest.fixture
def settle(run_loop: Any) -> Any:
    """Run the loop to rest, whatever was put off."""

    def run() -> None:
        for _again in range(3):
            for model in (Service, Stack, Promotion):
                model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
            run_loop()

    return run


@pytest.fixture
def waiting(live: Stack, prod: Environment, promote: Any, actor_of: Any, settle: Any) -> Promotion:
    """A promotion of bob's that waits for somebody's approval."""
    rules_set(prod, {"needsApproval": True}, actor=actor_of("alice"))
    row: Promotion = promote(note="TICKET-7")
    settle()
    return row


def test_only_what_was_looked_at_is_requested(
    browser_as: Any, lab: Environment, dev: Stack, live: Stack, prod: Environment
) -> None:
    client, address = browser_as("bob"), page(lab, "stack-promote", pk=dev.pk)
    form = client.get(address)
    assert (form.context["target"], form.context["preview"]) == (prod, None)
    assert form.context["variables"] == [("TAG", "2", "1"), ("DB", "dev-db", "prod-db")]
    sent = {"to": prod.pk, "var.TAG": "2", "var.DB": "prod-db", "step": "preview"}
    shown = client.post(address, sent)
    assert [(each.name, each.what) for each in shown.context["changes"]] == [("web", "upgrade")]
    assert "bb:2" in shown.content.decode()
    hidden = {"previewed": shown.context["previewed"], "basedOn": shown.context["preview"].basis}
    other = client.post(address, {**sent, **hidden, "var.TAG": "1", "step": "apply"})
    assert (other.status_code, Promotion.all_objects.exists()) == (200, False), "it was edited after the preview"
    done = client.post(address, {**sent, **hidden, "note": "TICKET-7", "step": "apply"})
    row = Promotion.all_objects.get()
    assert (done.status_code, done["Location"]) == (302, page(prod, "promotion", pk=row.pk))
    assert (row.variables, row.note, row.account.login) == ({"TAG": "2"}, "TICKET-7", "bob")


def test_what_stands_in_the_way_is_said_before(
    browser_as: Any, lab: Environment, dev: Stack, prod: Environment
) -> None:
    client, address = browser_as("bob"), page(lab, "stack-promote", pk=dev.pk)
    shown = client.post(address, {"to": prod.pk, "step": "preview"})
    assert "Prod has no value for TAG" in shown.content.decode()
    wrong = client.post(address, {"to": prod.pk, "revision": "99", "step": "preview"})
    assert (wrong.status_code, "no revision 99" in wrong.content.decode()) == (422, True)


def test_without_another_environment_the_form_says_so(
    browser_as: Any, lab: Environment, dev: Stack, prod: Environment
) -> None:
    prod.members.exclude(account__login="alice").delete()
    from apps.environments.services import role_groups_sync

    role_groups_sync(prod)
    client = browser_as("rex")
    assert "There is no other environment" in client.get(page(lab, "stack-promote", pk=dev.pk)).content.decode()
    assert browser_as("rita").get(page(lab, "stack-promote", pk=dev.pk)).status_code == 403


def test_a_second_person_approves_what_is_shown(
    browser_as: Any, prod: Environment, live: Stack, waiting: Promotion, settle: Any
) -> None:
    address = page(prod, "promotion", pk=waiting.pk)
    mine, other = browser_as("bob").get(address), browser_as("alice").get(address)
    assert not mine.context["approve"].allowed
    assert "somebody else has to approve" in mine.context["approve"].reason
    assert other.context["approve"].allowed
    approve = page(prod, "promotion-do", pk=waiting.pk, action="approve")
    fragment = {"HX-Request": "true"}
    assert browser_as("bob").post(approve, headers=fragment).status_code == 403
    assert browser_as("alice").post(approve, {"basedOn": "old"}, headers=fragment).status_code == 412
    assert browser_as("alice").post(approve, {"basedOn": other.context["preview"].basis}).status_code == 302
    settle()
    shown = browser_as("bob").get(address)
    assert (shown.context["row"].display_state, shown.context["preview"]) == ("done", None)
    assert shown.context["undo"].allowed
    undo = page(prod, "promotion-do", pk=waiting.pk, action="undo")
    assert browser_as("rita").post(undo, headers=fragment).status_code == 403
    assert browser_as("bob").post(undo).status_code == 302
    unknown = page(prod, "promotion-do", pk=waiting.pk, action="destroy")
    assert browser_as("bob").post(unknown, headers=fragment).status_code == 404


def test_it_is_refused_with_a_reason(browser_as: Any, prod: Environment, waiting: Promotion, settle: Any) -> None:
    address = page(prod, "promotion-refuse", pk=waiting.pk)
    assert browser_as("alice").get(address).status_code == 200
    assert browser_as("rita").post(address).status_code in {403, 422}
    assert browser_as("alice").post(address, {"reason": "x" * 501}).status_code == 422
    assert browser_as("alice").post(address, {"reason": "not today"}).status_code == 302
    settle()
    text = browser_as("bob").get(page(prod, "promotion", pk=waiting.pk)).content.decode()
    assert "not today" in text
    assert browser_as("alice").post(address).status_code == 422


def test_the_list_shows_both_ends_only_to_who_sees_them(
    browser_as: Any, lab: Environment, prod: Environment, waiting: Promotion
) -> None:
    text = browser_as("bob").get(LIST).content.decode()
    assert (text.count("waiting-for-approval") > 0, "TICKET-7" in text or "approval" in text) == (True, True)
    prod.members.exclude(account__login="alice").delete()
    from apps.environments.services import role_groups_sync

    role_groups_sync(prod)
    hidden = browser_as("rita").get(LIST)
    assert [row.pk for row, _target, _source in hidden.context["entries"]] == [waiting.pk]
    assert ("Prod" in hidden.content.decode(), "another environment" in hidden.content.decode()) == (False, True)
    assert browser_as("rita").get(page(prod, "promotion", pk=waiting.pk)).status_code == 404
    assert browser_as("mallory").get(LIST).context["entries"] == []
    assert browser_as("alice").get(LIST, {"state": "done"}).context["entries"] == []
    assert len(browser_as("alice").get(LIST, {"q": "ticket"}).context["entries"]) == 1


def test_owners_set_the_rules_and_others_read_them(browser_as: Any, prod: Environment, live: Stack) -> None:
    address = page(prod, "promotion-rules")
    sent = {
        "needsApproval": "1", "windowDays": ["monday", "sunday"], "windowStart": "22:00", "windowEnd": "04:00",
        "windowTimeZone": "Europe/Berlin", "outside": "refuse",
    }  # fmt: skip
    assert browser_as("bob").post(address, sent).status_code == 422
    assert not rules_of(prod.pk).needs_approval
    assert browser_as("alice").post(address, sent).status_code == 302
    rules = rules_of(prod.pk)
    assert (rules.needs_approval, rules.days, rules.refuse_outside) == (True, ["monday", "sunday"], True)
    assert "Europe/Berlin" in browser_as("rita").get(address).content.decode()
    wrong = browser_as("alice").post(address, {**sent, "windowTimeZone": "Mars"})
    assert (wrong.status_code, "no time zone" in wrong.content.decode()) == (422, True)
    assert "approval by a second person" in browser_as("bob").get(LIST).content.decode()
