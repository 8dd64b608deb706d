"""What every response tells the browser: what a page may load, what is kept, and what goes over HTTPS only."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from django.test import Client

from apps.api.wire.view import version_index
from portal.settings import auth
from tests.docker.portal_process import ROOT
from tests.wire.api_client import ApiClient

BROWSER = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}


@pytest.fixture
def alice(people: Any) -> Client:
    client = Client()
    client.force_login(people.alice, backend="apps.accounts.providers.LocalBackend")
    return client


@pytest.mark.parametrize(
    "path", ["/", "/login", "/nowhere", "/healthz", "/v1", "/v1/projects", "/v1/nowhere", "/theme"]
)
@pytest.mark.parametrize("headers", [{}, BROWSER])
def test_every_response_says_what_a_page_may_load(alice: Client, path: str, headers: dict[str, str]):
    policy = alice.get(path, headers=headers)["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_pages_of_the_api_have_no_script_that_the_policy_would_stop(alice: Client):
    answer = alice.get("/v1/projects", headers=BROWSER)
    assert "style-src 'self' 'unsafe-inline'" in answer["Content-Security-Policy"]
    assert b"<script" not in answer.content
    assert b" onclick" not in answer.content


def test_cookies_are_secure_where_only_https_is_used(alice: Client, settings: Any, lab: Any):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    alice.get("/v1/projects", headers=BROWSER)
    alice.get(f"/env/{lab.pk}/stacks")
    alice.post("/theme", {"theme": "dark"})
    kept = {name: bool(morsel["secure"]) for name, morsel in alice.cookies.items() if name != "corral_session"}
    assert kept
    assert set(kept.values()) == {True}, kept


@pytest.mark.parametrize(("word", "seconds"), [("1", 31_536_000), ("0", 0)])
def test_https_only_means_that_browsers_do_not_try_http(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, word: str, seconds: int
):
    monkeypatch.setenv("HTTPS_ONLY", word)
    settings.SECURE_HSTS_SECONDS = importlib.reload(auth).SECURE_HSTS_SECONDS
    told = Client().get("/login", secure=True).get("Strict-Transport-Security", "max-age=0")
    assert told == f"max-age={seconds}"


def test_a_page_with_the_values_of_variables_is_kept_nowhere(alice: Client, lab: Any, host: Any, actor_of: Any):
    from apps.stacks.services import stack_create

    stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    assert alice.get(f"/env/{lab.pk}/stacks/{stack.pk}/compose")["Cache-Control"] == "no-store"
    assert alice.get(f"/env/{lab.pk}/activity")["Cache-Control"] == "private, no-cache"


@pytest.fixture
def open_house(people: Any, settings: Any) -> Any:
    from apps.core.defaults import OPEN_MODE
    from apps.core.models import Setting

    Setting.objects.update_or_create(name=OPEN_MODE, defaults={"value": "false"})
    settings.ALLOWED_HOSTS = ["*"]
    return settings


@pytest.mark.parametrize("host", ["192.0.2.7:8080", "[2001:db8::1]:8080", "localhost:8080", "LOCALHOST"])
def test_open_mode_is_open_to_whoever_comes_by_address(open_house: Any, host: str):
    assert ApiClient().call("GET", "/v1/projects", Host=host).status == 200
    answer = Client().get("/", headers={**BROWSER, "Host": host})
    assert not answer.headers.get("Location", "").startswith("/login")


@pytest.mark.parametrize(
    "host", ["rebound.example", "rebound.example:8080", "192.0.2.7.example", "1a", "localhost.example"]
)
def test_open_mode_is_closed_to_a_name_that_anybody_could_lead_here(open_house: Any, host: str):
    assert ApiClient().call("GET", "/v1/projects", Host=host).status == 401
    assert ApiClient().call("POST", "/v1/apikeys", {"name": "stolen"}, Host=host).status == 401
    assert Client().get("/", headers={**BROWSER, "Host": host})["Location"].startswith("/login")
    root = Client().get("/", headers={"Host": host})
    assert (root.json(), "X-API-Account-Id" in root) == (version_index(f"http://{host}"), False)


def test_a_name_that_was_given_opens_it(open_house: Any):
    open_house.ALLOWED_HOSTS = ["corral.example", "*"]
    assert ApiClient().call("GET", "/v1/projects", Host="corral.example").status == 200


def test_the_guide_says_how_to_name_hosts():
    page = (ROOT / "docs/operate/front-door.md").read_text()
    for name in ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "TRUSTED_PROXIES", "HTTPS_ONLY"):
        assert f"`{name}`" in page, json.dumps(name)
