"""Too many tries, and a full queue, are told with the time to wait."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.core.errors import Busy

PASSWORD = "correct horse battery staple"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's password can be checked now."""

    def refuse(*_: Any, **__: Any) -> None:
        raise Busy("later", retry_after=5)

    monkeypatch.setattr("apps.accounts.login.credentials.authenticate", refuse)


def test_the_page_and_the_api_say_when_to_come_back(people: Any, full: None):
    page = Client().post("/login", {"login": "bob", "password": PASSWORD})
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert b"later" in page.content
    body = {"code": f"bob:{PASSWORD}"}
    answer = Client().post("/v1/token", body, content_type="application/json")
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (
        503,
        "5",
        "Service Unavailable",
    )


def test_too_many_wrong_ones_do_too(people: Any):
    for _ in range(8):
        assert Client().post("/login", {"login": "bob", "password": "wrong"}).status_code == 403
    page = Client().post("/login", {"login": "bob", "password": PASSWORD})
    assert page.status_code == 429
    assert 0 < int(page.headers["Retry-After"]) <= 300
    answer = Client().post("/v1/token", {"code": f"bob:{PASSWORD}"}, content_type="application/json")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 300
