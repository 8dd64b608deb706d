"""The set-up link, log-in, log-out, and where visitors are redirected."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.console.login.setup import SETUP_TOKEN, setup_link_create
from apps.core.models import Setting
from apps.environments.models import Environment, Member

PASSWORD = "correct horse battery staple"  # of everybody in the lab

BROWSER = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}


@pytest.mark.django_db
def test_before_set_up_every_page_says_where_the_link_is():
    answer = Client().get("/", follow=True, headers=BROWSER)
    assert answer.redirect_chain[-1][0] == "/setup"
    assert b"printed to its console at startup" in answer.content


@pytest.mark.django_db
def test_the_link_makes_the_first_administrator_who_owns_the_default_environment():
    token = setup_link_create()
    client = Client()
    assert client.get(f"/setup/{token}").status_code == 200
    answer = client.post(f"/setup/{token}", {"login": "ada", "password": PASSWORD, "name": "Ada"})
    assert answer.status_code == 302
    ada = User.objects.get(login="ada")
    assert ada.is_admin
    assert Member.objects.filter(account=ada, role="owner", environment__name="Default").exists()
    assert client.get("/", follow=True, headers=BROWSER).status_code == 200
    assert not Setting.objects.filter(name=SETUP_TOKEN).exists()


@pytest.mark.django_db
def test_the_link_is_kept_hashed_and_only_the_newest_one_works():
    first, second = setup_link_create(), setup_link_create()
    assert second not in Setting.objects.get(name=SETUP_TOKEN).value
    assert Client().get(f"/setup/{first}").status_code == 404
    assert Client().post(f"/setup/{first}", {"login": "eve", "password": PASSWORD}).status_code == 404
    assert not User.objects.filter(login="eve").exists()


@pytest.mark.django_db
def test_a_weak_password_is_refused_at_its_field_and_the_link_still_works():
    token = setup_link_create()
    answer = Client().post(f"/setup/{token}", {"login": "ada", "password": "12345"})
    assert answer.status_code == 422
    assert b"too short" in answer.content
    assert not User.objects.exists()


def test_after_set_up_the_link_is_dead(people: Any):
    token = setup_link_create()
    answer = Client().post(f"/setup/{token}", {"login": "eve", "password": PASSWORD})
    assert answer.status_code == 302
    assert not User.objects.filter(login="eve").exists()


def test_an_anonymous_visitor_is_sent_to_the_log_in_page_and_back(people: Any, at: Any):
    answer = Client().get(at("containers") + "?q=web")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login?next=/env/")
    client = Client()
    back = client.post("/login", {"login": "alice", "password": PASSWORD, "next": at("containers")})
    assert back["Location"] == at("containers")


def test_a_fragment_that_lost_its_session_goes_to_the_log_in_page(people: Any, at: Any):
    answer = Client().get(at("containers"), headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer["HX-Redirect"].startswith("/login")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"])
def test_log_in_leads_nowhere_else(people: Any, wanted: str):
    answer = Client().post("/login", {"login": "alice", "password": PASSWORD, "next": wanted})
    assert answer["Location"] == "/"


def test_a_wrong_name_and_a_wrong_password_are_answered_alike(people: Any):
    one = Client().post("/login", {"login": "alice", "password": "wrong"})
    other = Client().post("/login", {"login": "nobody", "password": "wrong"})
    assert one.status_code == other.status_code == 403
    assert one.context["error"] == other.context["error"]


def test_guessing_is_slowed_down_and_the_wait_is_shown(people: Any):
    for _ in range(8):
        Client().post("/login", {"login": "alice", "password": "wrong"})
    answer = Client().post("/login", {"login": "alice", "password": PASSWORD})
    assert "Too many failed log-ins" in answer.context["error"]


def test_logging_out_takes_a_post(browser_as: Any):
    client = browser_as("alice")
    assert client.get("/logout").status_code == 405
    client.post("/logout")
    assert client.get("/environments").status_code == 302


def test_home_keeps_the_environment_last_visited_in_its_frame(browser_as: Any, at: Any, lab: Environment):
    client = browser_as("root")
    client.get(at("stacks"))
    page = client.get("/", headers=BROWSER).content.decode()
    assert f'data-environment="{lab.pk}"' in page
    assert f'href="{at("stacks")}"' in page


def test_home_of_somebody_without_environments_says_what_to_do(browser_as: Any):
    answer = browser_as("mallory").get("/", headers=BROWSER)
    assert reverse("console:environment-new").encode() in answer.content
    assert b"You are not a member of any environment yet" in answer.content


def test_a_password_is_changed_only_with_the_current_one(browser_as: Any, people: Any):
    client = browser_as("rita")
    bad = client.post("/account/password", {"current": "wrong", "password": "another long phrase"})
    assert bad.status_code == 422
    assert b"not your current password" in bad.content
    client.post("/account/password", {"current": PASSWORD, "password": "another long phrase"})
    people.rita.refresh_from_db()
    assert people.rita.check_password("another long phrase")
    assert client.get("/environments").status_code == 200


def test_the_theme_is_remembered_and_nothing_else_is_taken(client: Client):
    client.post("/theme", {"theme": "dark"})
    assert client.cookies["corral_theme"].value == "dark"
    client.post("/theme", {"theme": "<script>"})
    assert client.cookies["corral_theme"].value == "dark"


def test_forms_without_their_token_are_refused(people: Any):
    client = Client(enforce_csrf_checks=True)
    assert client.post("/login", {"login": "alice", "password": PASSWORD}).status_code == 403


def test_pages_forbid_foreign_scripts_and_frames(browser_as: Any, at: Any):
    answer = browser_as("rita").get(at("stacks"))
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert b"<script>" not in answer.content
    assert b"style=" not in answer.content
    assert b"onclick" not in answer.content
