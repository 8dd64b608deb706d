"""How similar products lost sessions, sockets and tokens to attackers; here each of these ways is refused."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as installed
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import FailedLogin, Session
from apps.accounts.services import account_act, key_create
from apps.console.administration.setting_sections import SECTIONS
from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.environments.models import Environment, SocketTicket
from apps.environments.services import ticket_issue, ticket_redeem
from apps.hosts.models import Host
from apps.realtime.agent import AgentSocket
from apps.realtime.base_socket import UnknownPathSocket
from apps.realtime.routing import urls
from portal.settings import auth
from tests.realtime.websocket_client import (
    ORIGIN,
    WebSocketClient,
    run_async,
    session_headers,
)

PASSWORD = "correct horse battery staple"
JSON = {"Accept": "application/json"}


@pytest.fixture
def container(lab: Environment, settings: Any) -> Container:
    """A running container of the lab."""
    settings.ALLOWED_HOSTS = ["portal.test", "testserver"]
    host = Host.all_objects.create(
        environment=lab, name="h1", url="sim://h1", engine_id="SIM:h1", desired="active", state="active"
    )
    row: Container = Container.all_objects.create(
        environment=lab, host=host, name="web", external_id="c0ffee", desired="running", state="running"
    )
    return row


def addresses(container: Container) -> list[str]:
    """The paths of every WebSocket for users, about the lab and its container."""
    found = []
    for each in urls:
        if each.callback.consumer_class in {UnknownPathSocket, AgentSocket}:
            continue
        path = each.pattern.regex.pattern.strip("^$").replace("(?:projects/(?P<project>[^/]+)/)?", "")
        path = re.sub(r"\(\?:host\|container\)\?", "container", re.sub(r"\(\?:/\.\*\)\?|/\?", "", path))
        place = container.environment_id
        query = f"environment={place}&container={container.pk}&projectId=1a{place}"
        dialect = "(?P<dialect>v1|v2-beta)"
        names = ("v1", "v2-beta") if dialect in path else ("",)
        found += [f"/{path.replace(dialect, name)}?{query}" for name in names]
    return found


def close_codes(paths: list[str], headers: dict[str, str]) -> dict[str, int | None]:
    """The close code of each path; None if the handshake itself is refused."""
    codes: dict[str, int | None] = {}

    async def scenario() -> None:
        for path in paths:
            websocket_client = WebSocketClient(path, headers)
            codes[path] = await websocket_client.code() if await websocket_client.open() else None
            await websocket_client.disconnect()

    run_async(scenario)
    return codes


@pytest.mark.sockets
@pytest.mark.django_db(transaction=True)
def test_cve_2018_12678_no_socket_opens_without_a_log_in(people: Any, container: Container):
    """Portainer: the exec WebSocket required no log-in, and its id parameter was not checked."""
    paths = addresses(container)
    for headers in ({}, {"origin": ORIGIN}, {"origin": ORIGIN, "cookie": "corral_session=made-up"}):
        assert set(close_codes(paths, headers).values()) == {4401}
    assert len(paths) >= 8


@pytest.mark.sockets
@pytest.mark.django_db(transaction=True)
def test_cve_2019_13209_another_site_s_page_opens_no_socket(people: Any, container: Container):
    """Rancher 2 (#21034, #21036), and CVE-2026-44985 in Dozzle: cross-site WebSocket hijacking."""
    headers = session_headers(people.alice)
    for origin in ("http://evil.test", "null", "http://portal.test.evil.test"):
        assert set(close_codes(addresses(container), {**headers, "origin": origin}).values()) == {None}
    without = {"cookie": headers["cookie"]}
    assert set(close_codes(addresses(container), without).values()) == {4401}


@pytest.mark.sockets
@pytest.mark.django_db(transaction=True)
def test_dokploy_4865_each_socket_takes_its_permission(people: Any, container: Container):
    """Dokploy (2026): docker and terminal sockets required a log-in, but no permission."""
    assert close_codes([f"/ws/shell?container={container.pk}"], session_headers(people.rita)) == {
        f"/ws/shell?container={container.pk}": 4403
    }
    assert set(close_codes(addresses(container), session_headers(people.mallory)).values()) <= {4404, 4401}


def token_of(login: str) -> str:
    answer = Client().post("/v1/token", {"code": f"{login}:{PASSWORD}"}, content_type="application/json", headers=JSON)
    return str(answer.json()["jwt"])


@pytest.mark.parametrize("name", ["token", "jwt", "access_token", "ticket", "corral_session", "key"])
def test_cve_2026_44883_a_token_in_the_url_does_not_authenticate(name: str, people: Any):
    """Portainer: the JWT was taken from `?token=` on every route, and so ended in logs and referrers."""
    token = token_of("alice")
    for path in ("/v1/projects", "/v1/containers", "/v1/accounts", "/environments"):
        assert Client().get(f"{path}?{name}={token}", headers=JSON).status_code in {401, 302}
    assert Client().get("/v1/projects", headers={**JSON, "Authorization": f"Bearer {token}"}).status_code == 200


def test_rancher_1_x_a_sockets_ticket_works_once_within_half_a_minute(people: Any, lab: Environment, actor_of: Any):
    """Rancher 1.x by design: a host token in `?token=` worked for five minutes for every reader of the proxy's log."""

    def issue() -> str:
        return ticket_issue(actor=actor_of("bob"), environment_id=lab.pk, verb="exec", kind="container", target=1)

    first = issue()
    assert ticket_redeem(first, "exec") is not None
    assert ticket_redeem(first, "exec") is None
    late = issue()
    SocketTicket.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert ticket_redeem(late, "exec") is None
    assert timedelta(seconds=30) == SocketTicket.LIFE
    assert late not in str(SocketTicket.objects.values())


def test_cve_2025_34410_a_form_on_another_site_changes_nothing(people: Any):
    """1Panel, and -34429, -34430: cross-site request forgery on settings."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    section = reverse("console:settings-save", kwargs={"section": SECTIONS[0].slug})
    for path in (section, "/account/password", "/admin/open-mode", "/account/sessions/end"):
        assert client.post(path, {"value": "evil"}).status_code == 403, path
    for path in ("/v1/settings", "/v1/projects", "/v1/openmodes"):
        answer = client.post(path, {"name": "evil"}, content_type="application/json", headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (403, "InvalidCSRFToken"), path
    assert not AuditEntry.all_objects.filter(event__startswith="setting").exists()


@pytest.mark.parametrize("scheme", ["Basic d3Jvbmc6a2V5", "Bearer wrong", "Basic !!!"])
def test_cve_2025_34410_a_wrong_key_is_refused_despite_a_cookie(scheme: str, people: Any):
    """The rule it taught: explicit credentials never fall back to a browser's cookie."""
    client = Client()
    client.force_login(people.root, backend="apps.accounts.providers.LocalBackend")
    assert client.get("/v1/accounts", headers={**JSON, "Authorization": scheme}).status_code == 401
    assert client.get("/v1/accounts", headers=JSON).status_code == 200


@pytest.mark.parametrize(("proxies", "outcome"), [([], "10.0.0.9"), (["10.0.0.9/32"], "6.6.6.6")])
def test_cve_2025_66508_a_forwarded_address_counts_from_listed_proxies_only(
    proxies: list[str], outcome: str, people: Any, settings: Any
):
    """1Panel: X-Forwarded-For was trusted from any client."""
    settings.TRUSTED_PROXIES = proxies
    body = {"code": "bob:wrong"}
    headers = {**JSON, "X-Forwarded-For": "6.6.6.6"}
    Client().post("/v1/token", body, content_type="application/json", headers=headers, REMOTE_ADDR="10.0.0.9")
    assert FailedLogin.objects.get().address == outcome


def test_cve_2025_66508_nor_does_it_lift_the_rate_limit(people: Any):
    for number in range(45):
        Client().post(
            "/login", {"login": f"u{number}", "password": "x"}, headers={"X-Forwarded-For": f"6.6.6.{number}"}
        )
    assert {row.address for row in FailedLogin.objects.all()} == {"127.0.0.1"}
    assert FailedLogin.objects.count() == 40
    answer = Client().post("/login", {"login": "bob", "password": PASSWORD}, headers={"X-Forwarded-For": "7.7.7.7"})
    assert "Too many failed log-ins" in answer.context["error"]


def test_session_fixation_a_cookie_from_before_the_log_in_is_invalid_after_it(people: Any):
    client = Client()
    session = client.session
    session["planted"] = 1
    session.save()
    planted = str(session.session_key)
    client.cookies["corral_session"] = planted
    client.post("/login", {"login": "bob", "password": PASSWORD})
    assert client.cookies["corral_session"].value != planted
    thief = Client()
    thief.cookies["corral_session"] = planted
    assert thief.get("/environments").status_code == 302
    assert client.get("/environments").status_code == 200


def test_cve_2024_47182_passwords_are_hashed_with_argon2(people: Any, settings: Any):
    """Dozzle: passwords were stored as plain SHA-256."""
    assert auth.PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")
    settings.PASSWORD_HASHERS = auth.PASSWORD_HASHERS
    people.bob.set_password(PASSWORD)
    assert people.bob.password.startswith("argon2$argon2id$")
    assert people.bob.check_password(PASSWORD)


@pytest.fixture
def hashed_passwords(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records each password that is hashed, which is what takes the time in a log-in."""
    hashed: list[str] = []
    real = MD5PasswordHasher.encode

    def encode(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return str(real(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", encode)
    return hashed


LOGINS = ["bob", "nobody", "without", "gone", "x" * 500, "'; DROP TABLE accounts_user; --"]


@pytest.mark.parametrize("way", ["console", "api"])
@pytest.mark.parametrize("who", LOGINS)
def test_cve_2024_30257_a_failed_log_in_takes_the_same_time_for_every_name(
    who: str, way: str, people: Any, actor_of: Any, hashed_passwords: list[str]
):
    """1Panel: user names could be enumerated by timing. One password is hashed whether the name exists or not."""
    people.rita.login = "without"
    people.rita.set_unusable_password()
    people.rita.save()
    people.rex.login = "gone"
    people.rex.save()
    account_act(people.rex, "deactivate", actor=actor_of("root"))
    hashed_passwords.clear()
    if way == "console":
        answer = Client().post("/login", {"login": who, "password": "wrong"})
        outcome = (answer.status_code, answer.context["error"])
        assert outcome == (403, "The log-in name or the password is wrong.")
    else:
        api_answer = Client().post("/v1/token", {"code": f"{who}:wrong"}, content_type="application/json", headers=JSON)
        assert (api_answer.status_code, api_answer.json()["code"]) == (401, "Unauthorized")
    assert len(hashed_passwords) == 1


def test_cve_2024_30257_secrets_of_keys_are_compared_in_constant_time(people: Any, actor_of: Any, monkeypatch: Any):
    import hmac

    compared: list[str] = []

    def compare(one: str, _other: str) -> bool:
        compared.append(one)
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    made = key_create(actor=actor_of("bob"), account=people.bob)
    compared.clear()
    assert not made.key.accepts("wrong")
    assert compared == [made.key.secret_hash]


def test_cve_2024_52281_a_name_is_rendered_as_text(people: Any, actor_of: Any):
    """Rancher's and Arcane's (CVE-2026-45627) consoles: stored cross-site scripting."""
    evil = "<img src=x onerror=alert(1)>"
    people.root.name = evil
    people.root.save()
    client = Client(headers={"User-Agent": evil})
    client.post("/login", {"login": "root", "password": PASSWORD})
    key_create(actor=actor_of("root"), account=people.root, name=evil)
    for path in ("/admin/accounts", "/account/sessions", "/admin/sessions", "/account/keys", "/environments"):
        page = client.get(path)
        assert evil not in page.content.decode(), path
        assert "script-src 'self'" in page["Content-Security-Policy"], path
        assert "unsafe-inline" not in page["Content-Security-Policy"], path


def test_changing_a_password_ends_the_sessions_it_opened(people: Any):
    """A session opened with a stolen password does not outlive that password."""
    thief, token = Client(), token_of("bob")
    thief.post("/login", {"login": "bob", "password": PASSWORD})
    owner = Client()
    owner.post("/login", {"login": "bob", "password": PASSWORD})
    owner.post("/account/password", {"current": PASSWORD, "password": "another quite long phrase"})
    assert thief.get("/environments").status_code == 302
    assert Client().get("/v1/projects", headers={**JSON, "Authorization": f"Bearer {token}"}).status_code == 401
    assert owner.get("/environments").status_code == 200


def test_a_stolen_session_table_opens_no_session(people: Any):
    token_of("alice")
    row = Session.objects.get()
    coded = base64.b64encode(f"alice:{row.digest}".encode()).decode()
    for scheme in (f"Bearer {row.digest}", f"Bearer {row.data}", f"Basic {coded}"):
        assert Client().get("/v1/projects", headers={**JSON, "Authorization": scheme}).status_code == 401


def test_cookies_are_kept_from_scripts_and_from_other_sites():
    assert installed.SESSION_COOKIE_HTTPONLY
    assert installed.SESSION_COOKIE_SAMESITE == "Lax"
