"""The head of a page with tabs offers the same on each of its tabs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.console.components import buttons
from apps.containers.models import Container
from apps.hosts.models import Host
from apps.stacks.models import Service

TABS = re.compile(r'<nav class="tabs"[^>]*>(.*?)</nav>', re.DOTALL)
HEAD = re.compile(r'<div class="page-head.*?(?=<nav class="tabs")', re.DOTALL)
LABELS = re.compile(r"<span>([^<]+)</span>")
LINKS = re.compile(r'<a\s+href="([^"]+)"')


def head_of(client: Any, path: str) -> list[str]:
    """The labels of the buttons in the head of a page, in order."""
    text = client.get(path).content.decode()
    found = HEAD.search(text)
    assert found is not None, path
    return [each.strip() for each in LABELS.findall(found[0])]


@pytest.mark.parametrize("kind", ["service", "stack", "container", "host"])
def test_each_tab_has_the_buttons_of_the_first_one(
    browser_as: Any, at: Any, web: Service, container: Container, host: Host, kind: str
):
    rows = {"service": web.pk, "stack": web.stack_id, "container": container.pk, "host": host.pk}
    client, first = browser_as("alice"), at(kind, pk=rows[kind])
    nav = TABS.search(client.get(first).content.decode())
    assert nav is not None
    tabs = LINKS.findall(nav[1])
    assert len(tabs) > 2
    wanted = head_of(client, first)
    assert "Edit" in wanted or kind == "container", wanted
    assert {tab: head_of(client, tab) for tab in tabs} == dict.fromkeys(tabs, wanted)


KEY = re.compile(r'<(?:a|button)[^>]*class="btn [^"]*is-key"[^>]*>.*?<span>([^<]+)</span>', re.DOTALL)


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("service", ["Stop", "Upgrade"]),
        ("stack", ["Add service"]),
        ("container", ["Stop", "Restart"]),
        ("host", ["Deactivate", "Evacuate"]),
    ],
)
def test_a_phone_shows_the_most_important_actions_and_a_menu_with_all_others(
    browser_as: Any, at: Any, web: Service, container: Container, host: Host, kind: str, keys: list[str]
):
    rows = {"service": web.pk, "stack": web.stack_id, "container": container.pk, "host": host.pk}
    head = HEAD.search(browser_as("alice").get(at(kind, pk=rows[kind])).content.decode())
    assert head is not None
    assert KEY.findall(head[0]) == keys
    assert head[0].count("data-menu-rest") == 1


@pytest.mark.parametrize(
    ("kind", "allowed", "keys"),
    [
        ("service", "deactivate restart update finishupgrade rollback", ("finishupgrade", "rollback")),
        ("service", "undo activate remove", ("undo",)),
        ("service", "runnow deactivate", ("deactivate",)),
        ("container", "start restart remove", ("start", "restart")),
        ("container", "remove", ()),
        ("stack", "update remove", ()),
    ],
)
def test_what_is_to_be_decided_comes_first(kind: str, allowed: str, keys: tuple[str, ...]):
    found = [buttons.Button(each, each, "x", "/") for each in allowed.split()]
    found.append(buttons.Button("stop", "Stop", "x", "/", allowed=False))
    assert buttons.key_actions(kind, found) == keys
