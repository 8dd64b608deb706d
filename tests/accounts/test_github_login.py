"""Logging in through GitHub with a browser: the code flow, its state, and who may log in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.login.store import SessionStore
from apps.accounts.models import (
    AuthProvider,
    Identity,
    Session,
    User,
)
from apps.control.models import AuditEntry
from apps.environments.actor import actor_of_user
from apps.environments.services import members_set
from tests.accounts.fake_github import FakeGitHub

Configure = Callable[..., Any]


@pytest.fixture(autouse=True)
def provider(people: Any, fake_github: FakeGitHub, configure: Configure) -> Any:
    return configure("github", fake_github.config())


def begin_login(client: Client, wanted: str = "/") -> dict[str, str]:
    """Press the button; the query that GitHub receives."""
    answer = client.post("/login/github", {"next": wanted})
    assert answer.status_code == 302, answer.content.decode()
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def complete_login(client: Client, **query: str) -> Any:
    return client.get("/login/github/return", query)


def log_in(client: Client, wanted: str = "/") -> Any:
    return complete_login(client, code="good", state=begin_login(client, wanted)["state"])


def logged_in_account(client: Client) -> User | None:
    number = client.session.get("_auth_user_id")
    return User.objects.get(pk=number) if number else None


def test_the_button_leads_to_github_with_a_fresh_state(client: Client, fake_github: FakeGitHub):
    first_query, second_query = begin_login(client), begin_login(client)
    assert first_query["client_id"] == fake_github.client_id
    assert first_query["redirect_uri"] == "http://testserver/login/github/return"
    assert first_query["scope"] == "read:org"
    assert len(first_query["state"]) == 32
    assert first_query["state"] != second_query["state"]
    assert fake_github.requests == []


def test_the_button_is_there_only_while_github_is_on(client: Client, provider: Any, fake_github: FakeGitHub):
    page = client.get("/login")
    assert "Log in with GitHub" in page.content.decode()
    assert f"form-action 'self' http://{fake_github.host};" in page["Content-Security-Policy"]
    provider.enabled = False
    provider.save()
    page = client.get("/login")
    assert "Log in with GitHub" not in page.content.decode()
    assert "form-action 'self';" in page["Content-Security-Policy"]


def test_a_person_of_github_gets_an_account_and_goes_where_they_wanted(client: Client, fake_github: FakeGitHub):
    answer = log_in(client, "/environments")
    assert (answer.status_code, answer["Location"]) == (302, "/environments")
    octo = logged_in_account(client)
    assert octo is not None
    assert (octo.login, octo.name, octo.kind) == ("octo", "Octo Cat", "user")
    assert client.get("/environments").status_code == 200
    known = set(octo.identities.values_list("kind", "external_id", "name"))
    assert known == {("github_user", "42", "Octo Cat"), ("github_org", "7", "acme"), ("github_team", "70", "acme/Ops")}


def test_the_way_back_never_leads_elsewhere(client: Client):
    assert log_in(client, "https://evil.example/")["Location"] == "/"


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_the_flow_begins_by_post_only(client: Client, method: str):
    assert getattr(client, method)("/login/github").status_code == 405


def test_the_button_needs_the_page_s_token(people: Any, fake_github: FakeGitHub):
    assert Client(enforce_csrf_checks=True).post("/login/github").status_code == 403


@pytest.mark.parametrize("state", ["", "x" * 32, "x" * 500])
def test_a_wrong_state_is_refused_before_anything_is_asked(client: Client, fake_github: FakeGitHub, state: str):
    begin_login(client)
    answer = complete_login(client, code="good", **({"state": state} if state else {}))
    assert answer.status_code == 403
    assert logged_in_account(client) is None
    assert fake_github.requests == []


def test_another_browser_s_state_is_refused(client: Client, fake_github: FakeGitHub):
    state = begin_login(client)["state"]
    other_client = Client()
    assert complete_login(other_client, code="good", state=state).status_code == 403
    assert (logged_in_account(other_client), fake_github.requests) == (None, [])


def test_a_state_is_good_once(client: Client):
    state = begin_login(client)["state"]
    assert complete_login(client, code="good", state=state).status_code == 302
    client.logout()
    assert complete_login(client, code="good", state=state).status_code == 403
    assert logged_in_account(client) is None


def test_a_wrong_code_lets_nobody_in(client: Client):
    answer = complete_login(client, code="guessed", state=begin_login(client)["state"])
    assert (answer.status_code, logged_in_account(client)) == (403, None)
    assert b"GitHub:" in answer.content


def test_denied_at_github_is_reported(client: Client, fake_github: FakeGitHub):
    answer = complete_login(client, error="access_denied", state=begin_login(client)["state"])
    assert (answer.status_code, logged_in_account(client)) == (403, None)
    assert b"access was denied" in answer.content
    assert fake_github.requests == []


def test_a_broken_github_is_reported_and_local_people_log_in(client: Client, fake_github: FakeGitHub):
    fake_github.broken = True
    answer = log_in(client)
    assert (answer.status_code, logged_in_account(client)) == (403, None)
    assert b"GitHub:" in answer.content


def test_an_answer_without_a_person_lets_nobody_in(client: Client, fake_github: FakeGitHub):
    fake_github.person = {"message": "hello"}
    answer = log_in(client)
    assert (answer.status_code, logged_in_account(client)) == (403, None)
    assert not Identity.objects.exists()


def test_a_secret_changed_and_mended_counts_at_once(client: Client, fake_github: FakeGitHub, configure: Configure):
    configure("github", fake_github.config(clientSecret="old"))
    assert log_in(client).status_code == 403
    configure("github", fake_github.config())
    assert log_in(client).status_code == 302


def test_a_local_account_is_not_taken_over_by_its_name(client: Client, fake_github: FakeGitHub, people: Any):
    fake_github.person = {"id": 43, "login": "alice", "name": None}
    log_in(client)
    found = logged_in_account(client)
    assert found is not None
    assert found != people.alice
    assert found.login == "alice-2"


def test_a_person_renamed_at_github_keeps_the_account(client: Client, fake_github: FakeGitHub):
    log_in(client)
    before = logged_in_account(client)
    fake_github.person["login"] = "octopus"
    client.logout()
    log_in(client)
    assert logged_in_account(client) == before


def test_every_page_of_organizations_and_teams_is_read(client: Client, fake_github: FakeGitHub):
    fake_github.orgs = [{"id": number, "login": f"org{number}"} for number in range(1, 76)]
    fake_github.teams = [{"id": number, "slug": f"t{number}", "name": f"T{number}"} for number in range(1, 32)]
    log_in(client)
    assert Identity.objects.filter(kind="github_org").count() == 75
    assert Identity.objects.filter(kind="github_team").count() == 31


def test_an_organization_gives_a_role_and_takes_it_away(client: Client, fake_github: FakeGitHub, people: Any, lab: Any):
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    acme = {"externalId": "7", "externalIdType": "github_org", "role": "member"}
    members_set(lab, [owner, acme], actor=actor_of_user(people.alice, "api"))
    log_in(client)
    octo = logged_in_account(client)
    assert octo is not None
    assert actor_of_user(octo, "api").role(lab.pk) == "member"
    fake_github.orgs = []
    client.logout()
    log_in(client)
    assert actor_of_user(octo, "api").role(lab.pk) is None


def test_a_team_is_not_an_organization_of_the_same_number(
    client: Client, fake_github: FakeGitHub, people: Any, lab: Any
):
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    team = {"externalId": "7", "externalIdType": "github_team", "role": "member"}
    members_set(lab, [owner, team], actor=actor_of_user(people.alice, "api"))
    log_in(client)
    octo = logged_in_account(client)
    assert octo is not None
    assert actor_of_user(octo, "api").role(lab.pk) is None


@pytest.mark.parametrize(
    ("mode", "allowed", "is_in"),
    [
        ("required", [("github_org", "7")], True),
        ("required", [("github_org", "8")], False),
        ("required", [("github_team", "70")], True),
        ("required", [("github_user", "42")], True),
        ("required", [("github_user", "7")], False),
        ("restricted", [], False),
    ],
)
def test_site_access_names_people_organizations_and_teams(
    client: Client,
    fake_github: FakeGitHub,
    configure: Configure,
    mode: str,
    allowed: list[tuple[str, str]],
    is_in: bool,
):
    listed = [{"externalIdType": kind, "externalId": name} for kind, name in allowed]
    configure("github", fake_github.config(accessMode=mode, allowedIdentities=listed))
    answer = log_in(client)
    assert (answer.status_code == 302) is is_in
    assert (logged_in_account(client) is not None) is is_in
    if not is_in:
        assert b"may log in here" in answer.content
        assert not Identity.objects.exists()
        assert AuditEntry.all_objects.filter(event="login.refused").exists()


def test_switching_github_off_ends_its_sessions(client: Client, provider: Any):
    log_in(client)
    assert client.get("/environments").status_code == 200
    provider.enabled = False
    provider.save()
    assert client.get("/environments").status_code == 302
    assert client.post("/login/github").status_code == 403


def test_github_s_token_is_kept_encrypted_and_nowhere_else(client: Client, fake_github: FakeGitHub):
    log_in(client)
    assert Identity.objects.get(kind="github_user").token in fake_github.tokens
    everywhere = str(list(AuditEntry.all_objects.values_list("request", flat=True)))
    everywhere += str([SessionStore().decode(row.data) for row in Session.objects.all()])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_identity")
        everywhere += str(cursor.fetchall())
    assert not [token for token in fake_github.tokens if token in everywhere]
    assert fake_github.client_secret not in everywhere


def test_the_github_of_everybody_is_the_default():
    config = AuthProvider(kind="github", stored={"clientId": "a", "clientSecret": "b"}).config
    assert (config.url, config.api_url) == ("https://github.com/", "https://api.github.com/")  # type: ignore[attr-defined]
