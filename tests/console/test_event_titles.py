"""Operations and events are shown in words, and stay searchable by their names."""

from __future__ import annotations

from typing import Any

import pytest

from apps.console.components.event_titles import event_title, operation_title
from apps.console.components.plurals import counted
from apps.stacks.models import Service


@pytest.mark.parametrize(
    ("name", "operation", "event"),
    [
        ("stack.create", "Create stack", "Created stack"),
        ("environment.create", "Create environment", "Created environment"),
        ("apiKey.remove", "Delete API key", "Deleted API key"),
        ("hostPolicy.update", "Update host policy", "Updated host policy"),
        ("registrationToken.rotate", "Rotate registration token", "Rotated registration token"),
        ("service.upgrade", "Upgrade service", "Upgraded service"),
        ("service.finishupgrade", "Finish upgrade of service", "Finished upgrade of service"),
        ("service.cancelupgrade", "Cancel upgrade of service", "Cancelled upgrade of service"),
        ("service.rollback", "Roll back service", "Rolled back service"),
        ("service.cancelrollback", "Cancel rollback of service", "Cancelled rollback of service"),
        ("deviceLogin.deny", "Refuse log-in of a program", "Refused log-in of a program"),
        ("trustRule.exchange", "Give a key by trust rule", "Gave a key by trust rule"),
        ("trustRule.reject", "Refuse a token by trust rule", "Refused a token by trust rule"),
        ("deployWebhook.call", "Call deploy webhook", "Called deploy webhook"),
        ("deployWebhook.renewsecret", "Renew secret of deploy webhook", "Renewed secret of deploy webhook"),
        ("deployWebhook.wrongcalls", "Refuse wrong calls of deploy webhook", "Refused wrong calls of deploy webhook"),
        ("rights.lost", "rights.lost", "rights.lost"),
        ("login", "login", "login"),
    ],
)
def test_a_name_becomes_words(name: str, operation: str, event: str):
    assert (operation_title(name), event_title(name)) == (operation, event)


def test_pages_show_the_words_and_keep_the_name(browser_as: Any, at: Any, web: Service):
    client = browser_as("alice")
    activity = client.get(at("activity")).content.decode()
    assert "Create service" in activity
    assert 'title="service.create"' in activity
    audit = client.get(at("audit")).content.decode()
    assert "Created service" in audit
    assert 'title="service.create"' in audit


@pytest.mark.parametrize("kind", ["host", "stack", "container"])
def test_one_is_singular(kind: str):
    assert (counted(kind, 1), counted(kind, 0), counted(kind, 2)) == (f"1 {kind}", f"0 {kind}s", f"2 {kind}s")


def test_an_environments_line_counts_in_singular(browser_as: Any, web: Service):
    page = browser_as("alice").get("/environments").content.decode()
    assert "1 host, 1 stack, 2 containers" in page
