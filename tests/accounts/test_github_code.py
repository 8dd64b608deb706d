"""An API client that ran GitHub's browser part itself hands in the code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import RequestFactory

from apps.accounts.login.store import SessionStore
from apps.accounts.providers.github import oauth
from apps.core.errors import Problem, Unauthorized
from tests.accounts.fake_github import FakeGitHub


@pytest.fixture
def request_(rf: RequestFactory) -> Any:
    made = rf.post("/v1/token")
    made.session = SessionStore()
    return made


def test_a_good_code_says_who_it_is(people: Any, fake_github: FakeGitHub, configure: Callable[..., Any], request_: Any):
    claims = oauth.redeem(request_, configure("github", fake_github.config()).config, "good", "http://testserver/")
    assert (claims.person.kind, claims.person.external_id, claims.person.login) == ("github_user", "42", "octo")
    assert claims.names() == {("github_user", "42"), ("github_org", "7"), ("github_team", "70")}


@pytest.mark.parametrize("code", ["", "guessed"])
def test_a_wrong_code_says_nothing(
    people: Any, fake_github: FakeGitHub, configure: Callable[..., Any], request_: Any, code: str
):
    with pytest.raises(Unauthorized):
        oauth.redeem(request_, configure("github", fake_github.config()).config, code, "http://testserver/")


def test_a_github_that_is_down_is_reported(
    people: Any, fake_github: FakeGitHub, configure: Callable[..., Any], request_: Any
):
    fake_github.broken = True
    with pytest.raises(Problem) as caught:
        oauth.redeem(request_, configure("github", fake_github.config()).config, "good", "http://testserver/")
    assert (caught.value.status, caught.value.code) == (502, "GithubDown")


def test_a_github_that_nobody_answers_for_is_reported(
    people: Any, fake_github: FakeGitHub, configure: Callable[..., Any], request_: Any
):
    provider = configure("github", fake_github.config(hostname="127.0.0.1:1"))
    with pytest.raises(Problem) as caught:
        oauth.redeem(request_, provider.config, "good", "http://testserver/")
    assert caught.value.status == 502
