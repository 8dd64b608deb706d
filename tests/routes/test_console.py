"""Every address of the console, read off the URL configuration: for whom it is, and nothing foreign behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver

from apps.console import urls
from apps.environments.models import Environment

ACCESS = {"anybody", "account", "environment", "admin"}
ANYBODY = {
    "setup", "setup-link", "login", "login-code", "login-enrol", "github", "github-return", "logout", "theme",
}  # fmt: skip
WORDS = {"action": "deactivate", "kind": "openldap", "name": "api.host", "token": "nonsense"}
HX = {"HX-Request": "true"}


@dataclass(frozen=True)
class Route:
    """One address: its pattern, and the view behind it."""

    path: str
    name: str
    access: str

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """What is to be filled in, each with the word before it."""
        found, before = [], ""
        for part in self.path.split("/"):
            hole = re.fullmatch(r"<(?:\w+:)?(\w+)>", part)
            if hole:
                found.append((hole[1], before))
            else:
                before = part
        return found

    def address(self, ids: dict[str, int]) -> str:
        """The address with everything filled in."""
        path = self.path
        for name, before in self.parameters:
            word = "account/keys" if before == "keys" and path.startswith("account/") else before
            value = WORDS.get(name) if name in WORDS else ids.get(word, ids["containers"])
            path = re.sub(r"<(?:\w+:)?\w+>", str(value), path, count=1)
        return f"/{path}"

    @property
    def has_row(self) -> bool:
        """Whether it is about one thing."""
        return any(name not in {*WORDS, "environment"} for name, _before in self.parameters)


def routes(patterns: Any, prefix: str = "") -> Iterator[Route]:
    for each in patterns:
        path = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, path)
        elif isinstance(each, URLPattern):
            yield Route(path, each.name or "", getattr(each.callback, "access", ""))


ALL = list(routes(urls.urlpatterns))


@pytest.mark.parametrize("route", ALL, ids=lambda route: route.name)
def test_every_address_says_for_whom_it_is(route: Route):
    """Views declare it with a decorator of `console.request_context`, such as `member_required`."""
    assert route.access in ACCESS, f"{route.path}: its view declares nobody"
    assert (route.access == "anybody") == (route.name in ANYBODY), route.path
    assert (route.access == "environment") == route.path.startswith("env/<key:environment>/"), route.path
    assert (route.access == "admin") == route.path.startswith("admin/"), route.path


def test_a_view_that_declares_nobody_is_noticed():
    def bare(_request: Any) -> HttpResponse:
        return HttpResponse()

    from django.urls import path

    found = list(routes([path("new", bare, name="new")]))
    assert [each.access for each in found] == [""]


def status(client: Client, method: str, path: str) -> int:
    return int(client.generic(method, path, headers=HX).status_code)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_to_a_member_of_another_environment_the_lab_is_not_there(
    own_environment: Environment, foreign: Any, browser_as: Any, method: str
):
    client, seen = browser_as("mallory"), {}
    for route in ALL:
        if route.access == "environment":
            seen[route.address(foreign.by_word)] = status(client, method, route.address(foreign.by_word))
    assert {path: code for path, code in seen.items() if code != 404} == {}
    assert len(seen) > 40


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_lab_s_things_are_not_there_through_one_s_own_environment_either(
    own_environment: Environment, foreign: Any, browser_as: Any, method: str
):
    client, seen = browser_as("mallory"), {}
    here = {**foreign.by_word, "env": own_environment.pk}
    for route in ALL:
        if route.access == "environment" and route.has_row:
            seen[route.address(here)] = status(client, method, route.address(here))
    # A button's address says to a look that it takes a POST, before it looks at anything.
    allowed = {404, 405} if method == "GET" else {404}
    assert {path: code for path, code in seen.items() if code not in allowed} == {}
    assert len(seen) > 25


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_people_s_things_are_not_there(own_environment: Environment, foreign: Any, browser_as: Any, method: str):
    client, seen = browser_as("mallory"), {}
    for route in ALL:
        if route.access == "account" and route.has_row:
            seen[route.address(foreign.by_word)] = status(client, method, route.address(foreign.by_word))
    allowed = {404, 405} if method == "GET" else {404}
    assert {path: code for path, code in seen.items() if code not in allowed} == {}
    assert len(seen) > 8


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_what_is_for_administrators_is_not_there_for_others(foreign: Any, browser_as: Any, method: str, who: str):
    client, seen = browser_as(who), {}
    for route in ALL:
        if route.access == "admin":
            seen[route.address(foreign.by_word)] = status(client, method, route.address(foreign.by_word))
    assert {path: code for path, code in seen.items() if code != 404} == {}
    assert len(seen) > 20


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_anonymous_visitor_gets_nowhere_without_logging_in(foreign: Any, method: str):
    client, seen = Client(), {}
    for route in ALL:
        if route.access != "anybody":
            answer = client.generic(method, route.address(foreign.by_word))
            seen[route.path] = (answer.status_code, answer.headers.get("Location", "")[:6])
    assert {path: outcome for path, outcome in seen.items() if outcome != (302, "/login")} == {}


@pytest.mark.parametrize("value", ["0", "999999999999999999", "1"])
def test_a_number_that_is_nobody_s_is_no_more_than_not_there(
    own_environment: Environment, foreign: Any, browser_as: Any, value: str
):
    client, seen = browser_as("mallory"), {}
    ids = {**dict.fromkeys(foreign.by_word, int(value)), "env": own_environment.pk}
    for route in ALL:
        if route.has_row and route.access in {"environment", "account"}:
            seen[route.address(ids)] = status(client, "POST", route.address(ids))
    assert {path: code for path, code in seen.items() if code != 404} == {}
