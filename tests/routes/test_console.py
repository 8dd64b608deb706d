"""Every URL of the console declares its access, and shows nobody foreign rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver

from apps.api.wire.view import version_index
from apps.console import urls
from apps.environments.models import Environment

ACCESS = {"anybody", "account", "environment", "admin"}
ANYBODY = {
    "setup", "setup-link", "login", "login-code", "login-enrol", "github", "github-return", "logout", "theme",
}  # fmt: skip
WORDS = {"action": "deactivate", "kind": "openldap", "name": "api.host", "token": "nonsense"}
HX = {"HX-Request": "true"}
BROWSER = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}  # whoever is none hears at the root where v1 is


@dataclass(frozen=True)
class Route:
    """One URL: its pattern and its view."""

    path: str
    name: str
    access: str

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The parameters, each with the URL segment before it."""
        found, before = [], ""
        for part in self.path.split("/"):
            hole = re.fullmatch(r"<(?:\w+:)?(\w+)>", part)
            if hole:
                found.append((hole[1], before))
            else:
                before = part
        return found

    def address(self, ids: dict[str, int]) -> str:
        """The path with all parameters filled in."""
        path = self.path
        for name, before in self.parameters:
            word = "account/keys" if before == "keys" and path.startswith("account/") else before
            value = WORDS.get(name) if name in WORDS else ids.get(word, ids["containers"])
            path = re.sub(r"<(?:\w+:)?\w+>", str(value), path, count=1)
        return f"/{path}"

    @property
    def has_row(self) -> bool:
        """Whether it is about one row."""
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
def test_every_url_declares_its_access(route: Route):
    """Views declare it with a decorator of `console.request_context`, such as `member_required`."""
    assert route.access in ACCESS, f"{route.path}: its view declares no access"
    assert (route.access == "anybody") == (route.name in ANYBODY), route.path
    assert (route.access == "environment") == route.path.startswith("env/<key:environment>/"), route.path
    assert (route.access == "admin") == route.path.startswith("admin/"), route.path


def test_a_view_that_declares_no_access_is_detected():
    def undecorated(_request: Any) -> HttpResponse:
        return HttpResponse()

    from django.urls import path

    found = list(routes([path("new", undecorated, name="new")]))
    assert [each.access for each in found] == [""]


def status(client: Client, method: str, path: str) -> int:
    return int(client.generic(method, path, headers=HX).status_code)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_the_lab_are_not_found_by_non_members(
    own_environment: Environment, foreign: Any, browser_as: Any, method: str
):
    client, outcomes = browser_as("mallory"), {}
    for route in ALL:
        if route.access == "environment":
            outcomes[route.address(foreign.by_word)] = status(client, method, route.address(foreign.by_word))
    assert {path: code for path, code in outcomes.items() if code != 404} == {}
    assert len(outcomes) > 40


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_rows_of_the_lab_are_not_found_through_another_environment(
    own_environment: Environment, foreign: Any, browser_as: Any, method: str
):
    client, outcomes = browser_as("mallory"), {}
    here = {**foreign.by_word, "env": own_environment.pk}
    for route in ALL:
        if route.access == "environment" and route.has_row:
            outcomes[route.address(here)] = status(client, method, route.address(here))
    # A GET of a button's URL is a 405 before any row is looked up.
    allowed = {404, 405} if method == "GET" else {404}
    assert {path: code for path, code in outcomes.items() if code not in allowed} == {}
    assert len(outcomes) > 25


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_rows_of_other_accounts_are_not_found(own_environment: Environment, foreign: Any, browser_as: Any, method: str):
    client, outcomes = browser_as("mallory"), {}
    for route in ALL:
        if route.access == "account" and route.has_row:
            outcomes[route.address(foreign.by_word)] = status(client, method, route.address(foreign.by_word))
    allowed = {404, 405} if method == "GET" else {404}
    assert {path: code for path, code in outcomes.items() if code not in allowed} == {}
    assert len(outcomes) > 8


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_administrators_pages_are_not_found_by_others(foreign: Any, browser_as: Any, method: str, who: str):
    client, outcomes = browser_as(who), {}
    for route in ALL:
        if route.access == "admin":
            outcomes[route.address(foreign.by_word)] = status(client, method, route.address(foreign.by_word))
    assert {path: code for path, code in outcomes.items() if code != 404} == {}
    assert len(outcomes) > 20


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_anonymous_visitor_gets_nowhere_without_logging_in(foreign: Any, method: str):
    client, outcomes = Client(), {}
    for route in ALL:
        if route.access != "anybody":
            answer = client.generic(method, route.address(foreign.by_word), headers=BROWSER)
            outcomes[route.path] = (answer.status_code, answer.headers.get("Location", "")[:6])
    assert {path: outcome for path, outcome in outcomes.items() if outcome != (302, "/login")} == {}
    assert "" in outcomes


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_programs_hear_at_the_root_where_v1_is_and_nothing_else(foreign: Any, method: str):
    client = Client()
    answer = client.generic(method, "/")
    assert (answer.status_code, answer.json()) == (200, version_index("http://testserver"))
    assert answer["X-API-Schemas"] == "http://testserver/v1/schemas"
    assert "X-API-Account-Id" not in answer
    assert (dict(client.cookies), client.get("/v1").status_code) == ({}, 401)


@pytest.mark.parametrize("value", ["0", "999999999999999999", "1"])
def test_an_unknown_id_is_not_found(own_environment: Environment, foreign: Any, browser_as: Any, value: str):
    client, outcomes = browser_as("mallory"), {}
    ids = {**dict.fromkeys(foreign.by_word, int(value)), "env": own_environment.pk}
    for route in ALL:
        if route.has_row and route.access in {"environment", "account"}:
            outcomes[route.address(ids)] = status(client, "POST", route.address(ids))
    assert {path: code for path, code in outcomes.items() if code != 404} == {}
