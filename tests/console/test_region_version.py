"""A live refresh is answered with 304 until something on the page has changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.containers.models import Container
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_update

REFRESH = {"HX-Request": "true", "X-Corral-Refresh": "true"}


def shown_version(client: Client, path: str) -> str:
    """The version that a whole page carries."""
    found = re.search(r'data-version="(\w+)"', client.get(path).content.decode())
    assert found is not None, path
    return f'"{found[1]}"'


def refresh(client: Client, path: str, version: str) -> Any:
    """What a page gets that refreshes itself."""
    return client.get(path, headers={**REFRESH, "If-None-Match": version})


def test_the_first_refresh_of_an_unchanged_page_is_empty(
    browser_as: Any, at: Any, web: Service, container: Container, host: Host
):
    client = browser_as("alice")
    paths = [at("stacks"), at("containers"), at("service", pk=web.pk), at("stack", pk=web.stack_id), at("keys")]
    paths += [at("hosts"), at("activity"), at("container", pk=container.pk)]
    for path in paths:
        answer = refresh(client, path, shown_version(client, path))
        assert (path, answer.status_code, answer.content) == (path, 304, b"")


def test_the_age_of_a_row_is_no_change(browser_as: Any, at: Any, web: Service, monkeypatch: pytest.MonkeyPatch):
    client, path = browser_as("alice"), at("containers")
    version = shown_version(client, path)
    monkeypatch.setattr("apps.console.components.relative_times._short", lambda _seconds: "7 d ago")
    assert b"7 d ago" in client.get(path).content
    assert refresh(client, path, version).status_code == 304


def test_a_changed_page_is_sent_again(
    browser_as: Any, at: Any, web: Service, actor_of: Any, run_loop: Callable[[], None]
):
    client, path = browser_as("alice"), at("stacks")
    version = shown_version(client, path)
    service_update(web, actor=actor_of("alice"), scale=3)
    run_loop()
    answer = refresh(client, path, version)
    assert answer.status_code == 200
    assert answer["ETag"] != version
    assert refresh(client, path, f"W/{answer['ETag']}").status_code == 304


def test_two_people_with_different_rights_see_different_versions(browser_as: Any, at: Any, web: Service):
    path = at("service", pk=web.pk)
    assert refresh(browser_as("rita"), path, shown_version(browser_as("alice"), path)).status_code == 200


def test_a_refused_page_is_never_unchanged(browser_as: Any, at: Any, web: Service):
    path = at("service", pk=web.pk)
    version = shown_version(browser_as("alice"), path)
    assert refresh(browser_as("mallory"), path, version).status_code == 404
