"""`proxy` of a container: a ticket for one HTTP request to a port of it, and what a browser may do with the answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from apps.api import container_proxy
from apps.containers.http_proxy import ProxiedAnswer, ProxyFailed
from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.drivers.base import EngineDown
from apps.environments.models import SocketTicket
from apps.environments.services import members_set, ticket_issue
from tests.wire.api_client import ApiClient


@pytest.fixture
def row(stack: Any) -> Container:
    return Container.all_objects.filter(name="web_front_1").get()


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that reach the container, which answers with a page."""
    found: list[Any] = []

    def answer(row: Any, *request: Any) -> ProxiedAnswer:
        found.append((row.name, *request[:3], request[4]))
        return ProxiedAnswer(418, (("content-type", "text/html"),), b"<script>alert(1)</script>")

    monkeypatch.setattr(container_proxy, "proxied_request", answer)
    return found


def access(caller: ApiClient, row: Container, **more: Any) -> Any:
    return caller.post(f"containers/1i{row.pk}?action=proxy", more)


def request(method: str, url: str, body: Any = None, **headers: str) -> Any:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return Client(enforce_csrf_checks=True).generic(
        method, path, body or b"", content_type="text/plain", headers={"host": "testserver", **headers}
    )


@pytest.mark.parametrize("dialect", ["v1", "v2-beta"])
def test_a_ticket_passes_one_request_on(api: ApiClient, lab: Any, row: Container, passed_on: list[Any], dialect: str):
    found = access(api.inside(lab).speaking(dialect), row, port=8080)
    assert (found.status, found["type"], found["url"]) == (
        200,
        "hostAccess",
        "http://testserver/v1/container-proxy/",
    )
    answer = request("POST", f"{found['url']}a/b%20c?x=1&token={found['token']}&y=2", b"sent")
    assert (answer.status_code, answer.content) == (418, b"<script>alert(1)</script>")
    assert passed_on == [("web_front_1", 8080, "POST", "/a/b%20c?x=1&y=2", b"sent")]
    again = request("GET", f"{found['url']}?token={found['token']}")
    assert (again.status_code, len(passed_on)) == (401, 1)
    entry = AuditEntry.all_objects.filter(event="container.proxy").latest("pk")
    assert found["token"] not in str(entry.request)


def test_a_browser_lets_the_answer_do_nothing_at_the_portal_s_address(api: ApiClient, row: Container, passed_on: Any):
    found = access(api, row)
    answer = request("GET", found["url"], Authorization=f"Bearer {found['token']}")
    assert passed_on[0][1:4] == (80, "GET", "/")
    assert answer["Content-Security-Policy"].startswith("sandbox;")
    assert (answer["X-Content-Type-Options"], answer["Cache-Control"]) == ("nosniff", "no-store")
    assert "Set-Cookie" not in answer


@pytest.mark.parametrize("body", [{"port": 0}, {"port": 65536}, {"port": "x"}, {"scheme": "https"}, {"scheme": "ftp"}])
def test_what_cannot_be_passed_on_gets_no_ticket(api: ApiClient, row: Container, body: Any):
    refused = access(api, row, **body)
    assert (refused.status, refused["fieldName"]) == (422, next(iter(body)))
    assert not SocketTicket.objects.filter(verb="proxy").exists()


@pytest.mark.parametrize(("name", "status"), [("rita", 422), ("mallory", 404), ("bob", 200), ("rex", 200)])
def test_it_is_for_whom_may_open_a_shell(api_of: Any, row: Container, name: str, status: int):
    assert access(api_of(name), row, port=80).status == status


def test_a_ticket_for_something_else_or_too_old_or_of_nobody_is_none(
    api: ApiClient, row: Container, passed_on: list[Any], actor_of: Any
):
    url = "http://testserver/v1/container-proxy/"
    shell = ticket_issue(
        actor=actor_of("alice"), environment_id=row.environment_id, verb="exec", kind="container", target=row.pk
    )
    late = access(api, row)["token"]
    SocketTicket.objects.filter(verb="proxy").update(expires=timezone.now() - timedelta(seconds=1))
    for token in (shell, late, "", "x" * 100):
        assert request("GET", f"{url}?token={token}").status_code == 401
    assert request("GET", url, Authorization=f"Basic {late}").status_code == 401
    assert passed_on == []


def test_whom_the_role_was_taken_from_meanwhile_is_refused(
    api_of: Any, row: Container, passed_on: list[Any], lab: Any, people: Any, actor_of: Any
):
    found = access(api_of("bob"), row)
    members = [
        {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"},
        {"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "readonly"},
    ]
    members_set(lab, members, actor=actor_of("alice"))
    assert request("GET", f"{found['url']}?token={found['token']}").status_code == 403
    assert passed_on == []
    assert AuditEntry.all_objects.filter(event="container.proxy").latest("pk").code == "403"


@pytest.mark.parametrize("error", [ProxyFailed("Nothing listens."), EngineDown("The engine is away.")])
def test_what_goes_wrong_is_said(api: ApiClient, row: Container, monkeypatch: pytest.MonkeyPatch, error: Exception):
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(container_proxy, "proxied_request", fail)
    found = access(api, row)
    answer = request("GET", f"{found['url']}?token={found['token']}")
    assert (answer.status_code, answer.json()["message"]) == (502, str(error))


def test_a_body_that_is_too_large_is_refused(api: ApiClient, row: Container, passed_on: list[Any]):
    found = access(api, row)
    answer = request("PUT", f"{found['url']}?token={found['token']}", b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, passed_on) == (413, [])
