"""The pages of sessions: one's own for everybody, everybody's for administrators, and a button to end each."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Session
from apps.console.components.user_agents import agent

HX = {"HX-Request": "true"}


def session_of(client: Client) -> Session:
    from apps.accounts.login.models import digest_of

    return Session.objects.get(digest=digest_of(client.cookies["corral_session"].value))


def test_one_sees_one_s_own_sessions_and_which_of_them_this_is(people: Any, browser: Any, program: Any):
    here, _there = browser("alice"), browser("alice")
    browser("bob")
    program("alice")
    page = here.get("/account/sessions").content.decode()
    assert page.count('id="session-') == 3
    assert page.count("this one") == 1
    assert f'id="session-{session_of(here).pk}"' in page
    assert "Firefox 140" in page
    assert "cli/1" in page


@pytest.mark.parametrize("who", ["alice", "rita", "mallory", "root"])
def test_the_page_is_there_for_everybody_who_is_logged_in(people: Any, browser: Any, who: str):
    assert browser(who).get("/account/sessions").status_code == 200
    assert Client().get("/account/sessions").status_code == 302


def test_ending_another_session_logs_it_out(people: Any, browser: Any, is_in: Any):
    here, there = browser("alice"), browser("alice")
    answer = here.post(f"/account/sessions/{session_of(there).pk}/end", headers=HX)
    assert answer.status_code == 204
    assert "1 session ended" in answer["HX-Trigger"]
    assert (is_in(here), is_in(there)) == (True, False)


def test_ending_this_session_leads_to_the_log_in_page(people: Any, browser: Any, is_in: Any):
    here = browser("alice")
    answer = here.post(f"/account/sessions/{session_of(here).pk}/end", headers=HX)
    assert answer["HX-Redirect"] == "/login"
    assert not is_in(here)


def test_ending_all_others_keeps_this_one(people: Any, browser: Any, program: Any, is_in: Any):
    here, there, token = browser("alice"), browser("alice"), program("alice")
    answer = here.post("/account/sessions/end", headers=HX)
    assert "2 sessions ended" in answer["HX-Trigger"]
    assert (is_in(here), is_in(there)) == (True, False)
    assert token.get("projects").status == 401


def test_without_another_session_the_button_is_grey_and_says_why(people: Any, browser: Any):
    client = browser("alice")
    page = client.get("/account/sessions").content.decode()
    assert "There is no other session." in page
    browser("alice")
    assert "There is no other session." not in client.get("/account/sessions").content.decode()


def test_somebody_else_s_session_is_not_there(people: Any, browser: Any, is_in: Any):
    alice, bob = browser("alice"), browser("bob")
    theirs = session_of(bob).pk
    assert alice.post(f"/account/sessions/{theirs}/end", headers=HX).status_code == 404
    assert alice.post(f"/admin/sessions/{theirs}/end", headers=HX).status_code == 404
    assert alice.get("/admin/sessions").status_code == 404
    assert alice.post("/account/sessions/999999/end", headers=HX).status_code == 404
    assert is_in(bob)


def test_not_even_an_administrator_ends_others_through_one_s_own_page(people: Any, browser: Any, is_in: Any):
    root, bob = browser("root"), browser("bob")
    assert root.post(f"/account/sessions/{session_of(bob).pk}/end", headers=HX).status_code == 404
    assert is_in(bob)


def test_visiting_an_address_that_ends_a_session_ends_nothing(people: Any, browser: Any, is_in: Any):
    here, there = browser("alice"), browser("alice")
    for path in ("/account/sessions/end", f"/account/sessions/{session_of(there).pk}/end"):
        assert here.get(path).status_code == 405
    assert is_in(there)


def test_an_administrator_sees_all_and_ends_any(people: Any, browser: Any, is_in: Any):
    root, alice, bob = browser("root"), browser("alice"), browser("bob")
    page = root.get("/admin/sessions").content.decode()
    assert page.count('id="session-') == 3
    assert root.post(f"/admin/sessions/{session_of(bob).pk}/end", headers=HX).status_code == 204
    assert (is_in(alice), is_in(bob)) == (True, False)


@pytest.mark.parametrize(
    ("query", "count"), [("?q=BOB", 1), ("?q=127.0", 3), ("?q=nobody", 0), ("?sort=account", 3), ("?sort=-nonsense", 3)]
)
def test_the_list_is_filtered_and_sorted(people: Any, browser: Any, query: str, count: int):
    root, _alice, _bob = browser("root"), browser("alice"), browser("bob")
    page = root.get(f"/admin/sessions{query}").content.decode()
    assert page.count('id="session-') == count
    assert ("Nothing matches" in page) == (count == 0)


def test_more_sessions_take_no_more_queries(people: Any, browser: Any):
    root = browser("root")

    def queries(path: str) -> int:
        root.get(path)
        with CaptureQueriesContext(connection) as caught:
            root.get(path)
        return len(caught)

    before = {path: queries(path) for path in ("/admin/sessions", "/account/sessions")}
    for login in ("root", "root", "alice", "bob", "rita"):
        browser(login)
    assert {path: queries(path) for path in before} == before


def test_what_a_browser_calls_itself_is_shown_as_text(people: Any):
    client = Client(headers={"User-Agent": "<script>alert(1)</script>"})
    client.post("/login", {"login": "alice", "password": "correct horse battery staple"})
    page = client.get("/account/sessions").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140 on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge 142 on Windows",
        ),
        ("Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 HeadlessChrome/142.0.0.0 Safari/537.36", "Chrome 142 on Linux"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
            "Safari 18 on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari 18 on iPhone",
        ),
        ("Firefox/140", "Firefox 140"),
        ("rancher-compose/0.7.4 go", "rancher-compose/0.7.4"),
        ("", "unknown"),
        ("   ", "unknown"),
        ("x" * 500, "x" * 60),
    ],
)
def test_a_browser_is_named_in_a_few_words(text: str, expected: str):
    assert agent(text) == expected
