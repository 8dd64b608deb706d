"""Searches for people, organizations and teams at GitHub, and the re-sync of a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from apps.accounts.claims import Claims
from apps.accounts.models import Identity, KnownIdentity
from apps.accounts.providers.errors import GithubDown
from apps.accounts.providers.github import lookup as github_api
from apps.accounts.providers.github.config import GithubProviderConfig
from apps.accounts.providers.search import identities_search, identity_find
from tests.accounts.fake_github import FakeGitHub

TOKEN = "gho_of_octo"


@pytest.fixture(autouse=True)
def provider(people: Any, fake_github: FakeGitHub, configure: Callable[..., Any]) -> Any:
    fake_github.tokens.add(TOKEN)
    return configure("github", fake_github.config())


@pytest.fixture
def config(provider: Any) -> GithubProviderConfig:
    assert isinstance(provider.config, GithubProviderConfig)
    return provider.config


def search(actor: Any, text: str, **how: Any) -> set[tuple[str, str, str]]:
    return {(claim.kind, claim.external_id, claim.login) for claim in identities_search(actor, text, **how).claims}


@pytest.mark.parametrize(
    ("text", "exact", "wanted"),
    [
        ("oct", False, {("github_user", "43", "octavia")}),
        ("octavia", True, {("github_user", "43", "octavia")}),
        ("oct", True, set()),
        ("acme", True, {("github_org", "7", "acme")}),
        ("ac", False, {("github_org", "7", "acme")}),
        ("../user", True, set()),
        ("a/../../user?x=", True, set()),
    ],
)
def test_people_and_organizations_are_found_by_the_app_s_own_right(
    actor_of: Any, text: str, exact: bool, wanted: set[Any]
):
    assert search(actor_of("rita"), text, exact=exact) == wanted


@pytest.mark.parametrize(("text", "exact"), [("op", False), ("Ops", True), ("acme/ops", True)])
def test_one_s_own_teams_are_found_with_one_s_own_token(
    actor_of: Any, people: Any, provider: Any, text: str, exact: bool
):
    team = ("github_team", "70", "ops")
    assert team not in search(actor_of("rita"), text, exact=exact)
    Identity.objects.create(
        user=people.rita, provider=provider, kind="github_user", external_id="42", token=TOKEN, login="octo"
    )
    assert team in search(actor_of("rita"), text, exact=exact)


@pytest.mark.parametrize(
    ("kind", "number", "login"),
    [("github_user", "43", "octavia"), ("github_org", "7", "acme"), ("github_user", "9", "")],
)
def test_a_number_leads_to_a_name(kind: str, number: str, login: str):
    found = identity_find(kind, number)
    assert (found.login if found else "") == login
    assert KnownIdentity.objects.filter(kind=kind, login="octavia").exists() == (login == "octavia")


@pytest.mark.parametrize(("kind", "number"), [("github_team", "70"), ("github_user", "../7"), ("github_org", "x")])
def test_what_github_shows_nobody_is_not_found(kind: str, number: str):
    assert identity_find(kind, number) is None


def test_a_re_sync_reads_person_organizations_and_teams(config: GithubProviderConfig):
    read = github_api.person(config, "42", TOKEN)
    assert isinstance(read, Claims)
    assert read.names() == {("github_user", "42"), ("github_org", "7"), ("github_team", "70")}


def test_every_page_is_read_when_asked_again(fake_github: FakeGitHub, config: GithubProviderConfig):
    fake_github.orgs = [{"id": number, "login": f"org{number}"} for number in range(1, 76)]
    fake_github.teams = [{"id": number, "slug": f"t{number}", "name": f"T{number}"} for number in range(1, 32)]
    read = github_api.person(config, "42", TOKEN)
    assert isinstance(read, Claims)
    assert len(read.groups) == 75 + 31


@pytest.mark.parametrize("token", ["", "taken back"])
def test_without_a_good_token_the_person_counts_as_out(config: GithubProviderConfig, token: str):
    assert "logging in again" in str(github_api.person(config, "42", token))


def test_the_token_of_somebody_else_says_nothing_about_a_person(config: GithubProviderConfig):
    assert "any more" in str(github_api.person(config, "43", TOKEN))


def test_a_suspended_person_is_out(fake_github: FakeGitHub, config: GithubProviderConfig):
    fake_github.refuses["/api/v3/user"] = (403, {"message": "Sorry. Your account was suspended."})
    assert "any more" in str(github_api.person(config, "42", TOKEN))


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/api/v3/user", 403, {"message": "API rate limit exceeded"}),
        ("/api/v3/user", 500, {}),
        ("/api/v3/user/teams", 502, {}),
        ("/api/v3/user/orgs", 429, {}),
        ("/api/v3/user/orgs", 200, [{"no": "id"}]),
    ],
)
def test_a_github_that_cannot_answer_takes_nothing_away(
    fake_github: FakeGitHub, config: GithubProviderConfig, path: str, status: int, body: Any
):
    fake_github.refuses[path] = (status, body)
    with pytest.raises(GithubDown):
        github_api.person(config, "42", TOKEN)


def test_a_github_that_is_down_is_reported_beside_what_was_found(actor_of: Any, fake_github: FakeGitHub):
    fake_github.refuses["/api/v3/search/users"] = (503, {})
    found = identities_search(actor_of("rita"), "alice")
    assert [claim.login for claim in found.claims] == ["alice"]
    assert found.errors == ("GitHub: GitHub answers 503; it is asked again later.",)


def test_a_wrong_client_secret_is_reported(actor_of: Any, fake_github: FakeGitHub, configure: Any):
    configure("github", fake_github.config(clientSecret="old"))
    assert identities_search(actor_of("rita"), "oct").errors == ("GitHub: GitHub refuses the client id and secret.",)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectTimeout(), "no answer within 4 s"),
        (requests.exceptions.SSLError(), "certificate was refused"),
        (requests.ConnectionError(), "nothing answers there"),
    ],
)
def test_why_github_cannot_be_reached_is_reported(
    monkeypatch: pytest.MonkeyPatch, config: GithubProviderConfig, error: Exception, words: str
):
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(GithubDown, match=words):
        github_api.by_id(config, "github_user", "43")
