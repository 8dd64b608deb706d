"""The logs of a whole service or stack on one page."""

from __future__ import annotations

from typing import Any

import pytest

from apps.console.containers import logs
from apps.containers.models import Container
from apps.stacks.models import Service


def sources(page: str) -> int:
    return page.count("data-source=")


def test_a_service_and_a_stack_show_all_their_containers(browser_as: Any, at: Any, web: Service):
    client = browser_as("alice")
    for path in (at("service-logs", pk=web.pk), at("stack-logs", pk=web.stack_id)):
        page = client.get(path).content.decode()
        assert sources(page) == 2
        assert page.count("data-file") == 2


def test_a_containers_page_shows_one(browser_as: Any, at: Any, container: Container):
    page = browser_as("alice").get(at("container-logs", pk=container.pk)).content.decode()
    assert sources(page) == 1


def test_more_than_a_page_follows_are_counted(browser_as: Any, at: Any, web: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "MAX_CONTAINERS", 1)
    page = browser_as("alice").get(at("service-logs", pk=web.pk)).content.decode()
    assert sources(page) == 1
    assert "1 more container is not shown" in page


def test_a_service_without_containers_says_what_will_come(browser_as: Any, at: Any, web: Service):
    Container.all_objects.all().update(external_id="")
    page = browser_as("alice").get(at("service-logs", pk=web.pk)).content.decode()
    assert (sources(page), "No logs yet" in page) == (0, True)
