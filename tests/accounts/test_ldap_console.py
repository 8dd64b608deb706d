"""The administrator's pages about logging in, and the login page itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import AuthProvider
from apps.accounts.selectors import TRIES_PER_NAME
from apps.environments.models import Member
from tests.accounts.slapd import (
    PASSWORD,
    SERVICE_PASSWORD,
    Slapd,
    free_port,
)

PAGES = ["/admin/access", "/admin/access/openldap", "/admin/access/ad", "/admin/access/github"]
BUTTONS = ["/admin/access/openldap/test", *[f"/admin/access/ad/do/{act}" for act in ("enable", "confirm", "disable")]]


@pytest.fixture
def root(people: Any) -> Client:
    client = Client()
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    return client


def form(slapd: Slapd, **changes: Any) -> dict[str, Any]:
    return {name: str(value) for name, value in slapd.config(**changes).items()}


@pytest.mark.parametrize("path", PAGES)
def test_an_administrator_sees_every_provider(root: Client, path: str):
    assert root.get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, *BUTTONS])
@pytest.mark.parametrize("who", ["alice", None])
def test_nobody_else_sees_or_does_anything_there(people: Any, path: str, who: str | None):
    client = Client()
    if who:
        client.force_login(getattr(people, who), backend="apps.accounts.providers.LocalBackend")
    for answer in (client.get(path), client.post(path, {"server": "x"})):
        assert answer.status_code in {302, 404}
    assert not AuthProvider.objects.exists()


@pytest.mark.parametrize("path", ["/admin/access/saml", "/admin/access/saml/test", "/admin/access/saml/do/enable"])
def test_an_unknown_provider_is_not_found(root: Client, path: str):
    assert root.get(path).status_code in {302, 404, 405}
    assert root.post(path, headers={"HX-Request": "true"}).status_code == 404


@pytest.mark.servers
def test_set_up_tested_switched_on_used_and_switched_off_in_the_browser(root: Client, slapd: Slapd):
    page, part = "/admin/access/openldap", {"HX-Request": "true"}
    assert root.post(page, form(slapd), headers=part).status_code == 204
    page_text = root.get(page).content.decode()
    assert SERVICE_PASSWORD not in page_text
    assert "stored; empty keeps it" in page_text

    me = {"login": "ann", "password": PASSWORD}
    tested = root.post(f"{page}/test", me, headers=part)
    assert (tested.status_code, "crew" in tested["HX-Trigger"]) == (204, True)
    wrong = root.post(f"{page}/do/enable", {**me, "password": "wrong"}, headers=part)
    assert (wrong.status_code, b"does not know this name" in wrong.content) == (409, True)
    assert root.post(f"{page}/do/enable", me, headers=part).status_code == 204
    assert "On trial" in root.get("/admin/access").content.decode()

    browser = Client()
    assert browser.post("/login", {"login": "ann", "password": "wrong"}).status_code == 403
    assert browser.post("/login", me)["Location"] == "/"
    assert browser.get("/environments").status_code == 200
    assert AuthProvider.objects.get().trial_until is None

    assert root.post(f"{page}/do/disable", headers=part).status_code == 204
    assert browser.get("/environments").status_code == 302
    assert Client().post("/login", me).status_code == 403


def test_a_wrong_form_comes_back_with_the_reason_and_without_the_secret(root: Client):
    sent = {"server": "a", "port": "0", "serviceAccountPassword": SERVICE_PASSWORD, "domain": "dc=x"}
    answer = root.post("/admin/access/openldap", sent)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "port must not be less than 1" in text
    assert SERVICE_PASSWORD not in text
    assert not AuthProvider.objects.exists()


@pytest.mark.parametrize(
    ("lines", "status"),
    [("openldap_group cn=a, ou=b\n\nopenldap_user x", 302), ("openldap_group", 422), ("nonsense x", 422)],
)
def test_allowed_people_are_written_one_per_line(root: Client, lines: str, status: int):
    sent = {"server": "a", "serviceAccountUsername": "cn=x", "serviceAccountPassword": "y", "domain": "dc=x"}
    answer = root.post("/admin/access/openldap", {**sent, "accessMode": "required", "allowedIdentities": lines})
    assert answer.status_code == status
    if status == 302:
        page = root.get("/admin/access/openldap").content.decode()
        assert "openldap_group cn=a, ou=b\nopenldap_user x" in page


def test_the_login_page_says_that_a_directory_is_down(people: Any, silent: int, configure: Callable[..., Any]):
    pytest.importorskip("ldap")
    known = {"server": "127.0.0.1", "port": silent, "domain": "dc=x", "connectionTimeout": 200}
    configure("openldap", {**known, "serviceAccountUsername": "cn=x", "serviceAccountPassword": "y"})
    answer = Client().post("/login", {"login": "ann", "password": PASSWORD})
    assert answer.status_code == 403
    assert b"The directory cannot be reached" in answer.content


@pytest.mark.parametrize("interface", ["console", "api"])
def test_a_directory_that_is_down_does_not_let_local_passwords_be_guessed(
    people: Any, configure: Callable[..., Any], interface: str
):
    pytest.importorskip("ldap")
    known = {"server": "127.0.0.1", "port": free_port(), "domain": "dc=x"}
    configure("openldap", {**known, "serviceAccountUsername": "cn=x", "serviceAccountPassword": "y"})

    def guess() -> Any:
        if interface == "console":
            return Client().post("/login", {"login": "root", "password": "a guess"})
        return Client().post("/v1/token", {"code": "root:a guess"}, content_type="application/json")

    answers = [guess() for _ in range(TRIES_PER_NAME)]
    assert {answer.status_code for answer in answers} == {403 if interface == "console" else 500}
    assert b"nothing listens there" in answers[0].content
    assert b"Too many failed log-ins" in guess().content


@pytest.mark.servers
def test_the_api_s_token_takes_directory_people_while_the_directory_is_on(
    people: Any, slapd: Slapd, configure: Callable[..., Any]
):
    configure("openldap", slapd.config())

    def ask(code: str) -> Any:
        return Client().post("/v1/token", {"code": code}, content_type="application/json")

    assert ask("ann:wrong").status_code == 401
    answer = ask(f"ann:{PASSWORD}")
    assert (answer.status_code, answer.json()["user"]) == (201, "ann")
    bearer = {"Authorization": f"Bearer {answer.json()['jwt']}"}
    assert Client().get("/v1/projects", headers=bearer).status_code == 200
    configure("openldap", slapd.config(), enabled=False)
    assert Client().get("/v1/projects", headers=bearer).status_code == 401


def test_a_group_is_put_on_the_member_list_and_taken_off_in_the_browser(
    people: Any, lab: Any, configure: Callable[..., Any]
):
    configure("github", {"clientId": "a", "clientSecret": "b"})
    client, page = Client(), f"/environments/{lab.pk}"
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    group = {"kind": "github_org", "identity": "7"}
    assert client.post(f"{page}/members", {"pick": "github_org:7", "role": "member"}).status_code == 302
    page_text = client.get(page)
    assert (page_text.status_code, b"github_org" in page_text.content) == (200, True)
    assert client.post(f"{page}/members/0", {**group, "role": "readonly"}).status_code == 302
    assert Member.objects.get(environment=lab, identity_type="github_org").role == "readonly"
    assert client.post(f"{page}/members/0/remove", group).status_code == 302
    assert not Member.objects.filter(environment=lab, identity_type="github_org").exists()
    assert Member.objects.filter(environment=lab).count() == 4


def test_a_member_list_with_groups_keeps_them_when_an_account_changes(people: Any, lab: Any):
    client, page = Client(), f"/environments/{lab.pk}"
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    client.post(f"{page}/members", {"pick": "github_org:7", "role": "member"})
    client.post(f"{page}/members/{people.bob.pk}", {"role": "readonly"})
    client.post(f"{page}/members", {"login": "mallory", "role": "member"})
    listed = set(Member.objects.filter(environment=lab).values_list("identity_type", "identity", "role"))
    assert ("github_org", "7", "member") in listed
    assert ("rancher_id", f"1a{people.bob.pk}", "readonly") in listed
    assert len(listed) == 6
