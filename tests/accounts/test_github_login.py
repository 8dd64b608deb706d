"""Logging in through GitHub with a browser: the code flow, its state, and who may come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.login.store import SessionStore
from apps.accounts.models import AuthProvider, Identity, Session, User
from apps.control.models import AuditEntry
from apps.environments.access import actor_of_user
from apps.environments.services import members_set
from tests.accounts.hub import Hub

Configure = Callable[..., Any]


@pytest.fixture(autouse=True)
def provider(people: Any, hub: Hub, configure: Configure) -> Any:
    return configure("github", hub.config())


def depart(client: Client, wanted: str = "/") -> dict[str, str]:
    """Press the button; what GitHub is told."""
    answer = client.post("/login/github", {"next": wanted})
    assert answer.status_code == 302, answer.content.decode()
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def arrive(client: Client, **query: str) -> Any:
    return client.get("/login/github/return", query)


def log_in(client: Client, wanted: str = "/") -> Any:
    return arrive(client, code="good", state=depart(client, wanted)["state"])


def who(client: Client) -> User | None:
    number = client.session.get("_auth_user_id")
    return User.objects.get(pk=number) if number else None


def test_the_button_leads_to_github_with_a_fresh_state(client: Client, hub: Hub):
    told, again = depart(client), depart(client)
    assert told["client_id"] == hub.client_id
    assert told["redirect_uri"] == "http://testserver/login/github/return"
    assert told["scope"] == "read:org"
    assert len(told["state"]) == 32
    assert told["state"] != again["state"]
    assert hub.asked == []


def test_the_button_is_there_only_while_github_is_on(client: Client, provider: Any, hub: Hub):
    page = client.get("/login")
    assert "Log in with GitHub" in page.content.decode()
    assert f"form-action 'self' http://{hub.host};" in page["Content-Security-Policy"]
    provider.enabled = False
    provider.save()
    page = client.get("/login")
    assert "Log in with GitHub" not in page.content.decode()
    assert "form-action 'self';" in page["Content-Security-Policy"]


def test_a_person_of_github_gets_an_account_and_goes_where_they_wanted(client: Client, hub: Hub):
    answer = log_in(client, "/environments")
    assert (answer.status_code, answer["Location"]) == (302, "/environments")
    octo = who(client)
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


def test_the_button_needs_the_page_s_token(people: Any, hub: Hub):
    assert Client(enforce_csrf_checks=True).post("/login/github").status_code == 403


@pytest.mark.parametrize("state", ["", "x" * 32, "x" * 500])
def test_a_wrong_state_is_refused_before_anything_is_asked(client: Client, hub: Hub, state: str):
    depart(client)
    answer = arrive(client, code="good", **({"state": state} if state else {}))
    assert answer.status_code == 403
    assert who(client) is None
    assert hub.asked == []


def test_another_browser_s_state_is_refused(client: Client, hub: Hub):
    state = depart(client)["state"]
    stranger = Client()
    assert arrive(stranger, code="good", state=state).status_code == 403
    assert (who(stranger), hub.asked) == (None, [])


def test_a_state_is_good_once(client: Client):
    state = depart(client)["state"]
    assert arrive(client, code="good", state=state).status_code == 302
    client.logout()
    assert arrive(client, code="good", state=state).status_code == 403
    assert who(client) is None


def test_a_wrong_code_lets_nobody_in(client: Client):
    answer = arrive(client, code="guessed", state=depart(client)["state"])
    assert (answer.status_code, who(client)) == (403, None)
    assert b"GitHub:" in answer.content


def test_denied_at_github_is_told(client: Client, hub: Hub):
    answer = arrive(client, error="access_denied", state=depart(client)["state"])
    assert (answer.status_code, who(client)) == (403, None)
    assert b"access was denied" in answer.content
    assert hub.asked == []


def test_a_broken_github_is_told_and_local_people_log_in(client: Client, hub: Hub):
    hub.broken = True
    answer = log_in(client)
    assert (answer.status_code, who(client)) == (403, None)
    assert b"GitHub:" in answer.content


def test_an_answer_without_a_person_lets_nobody_in(client: Client, hub: Hub):
    hub.person = {"message": "hello"}
    answer = log_in(client)
    assert (answer.status_code, who(client)) == (403, None)
    assert not Identity.objects.exists()


def test_a_secret_changed_and_mended_counts_at_once(client: Client, hub: Hub, configure: Configure):
    configure("github", hub.config(clientSecret="old"))
    assert log_in(client).status_code == 403
    configure("github", hub.config())
    assert log_in(client).status_code == 302


def test_a_local_account_is_not_taken_over_by_its_name(client: Client, hub: Hub, people: Any):
    hub.person = {"id": 43, "login": "alice", "name": None}
    log_in(client)
    found = who(client)
    assert found is not None
    assert found != people.alice
    assert found.login == "alice-2"


def test_a_person_renamed_at_github_keeps_the_account(client: Client, hub: Hub):
    log_in(client)
    before = who(client)
    hub.person["login"] = "octopus"
    client.logout()
    log_in(client)
    assert who(client) == before


def test_every_page_of_organizations_and_teams_is_read(client: Client, hub: Hub):
    hub.orgs = [{"id": number, "login": f"org{number}"} for number in range(1, 76)]
    hub.teams = [{"id": number, "slug": f"t{number}", "name": f"T{number}"} for number in range(1, 32)]
    log_in(client)
    assert Identity.objects.filter(kind="github_org").count() == 75
    assert Identity.objects.filter(kind="github_team").count() == 31


def test_an_organization_gives_a_role_and_takes_it_away(client: Client, hub: Hub, people: Any, lab: Any):
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    acme = {"externalId": "7", "externalIdType": "github_org", "role": "member"}
    members_set(lab, [owner, acme], actor=actor_of_user(people.alice, "api"))
    log_in(client)
    octo = who(client)
    assert octo is not None
    assert actor_of_user(octo, "api").role(lab.pk) == "member"
    hub.orgs = []
    client.logout()
    log_in(client)
    assert actor_of_user(octo, "api").role(lab.pk) is None


def test_a_team_is_not_an_organization_of_the_same_number(client: Client, hub: Hub, people: Any, lab: Any):
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    team = {"externalId": "7", "externalIdType": "github_team", "role": "member"}
    members_set(lab, [owner, team], actor=actor_of_user(people.alice, "api"))
    log_in(client)
    octo = who(client)
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
    client: Client, hub: Hub, configure: Configure, mode: str, allowed: list[tuple[str, str]], is_in: bool
):
    listed = [{"externalIdType": kind, "externalId": name} for kind, name in allowed]
    configure("github", hub.config(accessMode=mode, allowedIdentities=listed))
    answer = log_in(client)
    assert (answer.status_code == 302) is is_in
    assert (who(client) is not None) is is_in
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


def test_github_s_token_is_kept_encrypted_and_nowhere_else(client: Client, hub: Hub):
    log_in(client)
    assert Identity.objects.get(kind="github_user").token in hub.tokens
    everywhere = str(list(AuditEntry.all_objects.values_list("request", flat=True)))
    everywhere += str([SessionStore().decode(row.data) for row in Session.objects.all()])
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_identity")
        everywhere += str(cursor.fetchall())
    assert not [token for token in hub.tokens if token in everywhere]
    assert hub.client_secret not in everywhere


def test_the_github_of_everybody_is_the_default():
    config = AuthProvider(kind="github", stored={"clientId": "a", "clientSecret": "b"}).config
    assert (config.url, config.api_url) == ("https://github.com/", "https://api.github.com/")  # type: ignore[union-attr]
