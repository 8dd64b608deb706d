"""Browsers and API clients that log in, and sessions that can be aged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.core.cache import cache
from django.db.models import F
from django.test import Client

from apps.accounts.login import second_factor
from apps.accounts.models import Session, Totp, User
from apps.core.models import Setting

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def reset_throttle() -> None:
    """No throttle is left over from the previous test."""
    cache.clear()


@pytest.fixture
def browser(people: Any) -> Callable[..., Client]:
    """A browser in which somebody logged in by the page's form."""

    def make(login: str, password: str = PASSWORD, **headers: str) -> Client:
        client = Client(headers={"User-Agent": "Firefox/140", **headers})
        client.post("/login", {"login": login, "password": password})
        return client

    return make


@dataclass
class Answer:
    """An answer of the API."""

    status: int
    body: Any


@dataclass
class BearerClient:
    """An API client with a bearer token, or without credentials."""

    token: str = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {"Accept": "application/json", "User-Agent": "cli/1", **headers}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body or {})
        found = Client().generic(method, f"/v1/{path}", data, content_type="application/json", headers=sent)
        is_json = found.headers.get("Content-Type", "").startswith("application/json")
        return Answer(found.status_code, json.loads(found.content) if is_json and found.content else None)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


@pytest.fixture
def nobody() -> BearerClient:
    """An API client without credentials."""
    return BearerClient()


@pytest.fixture
def program(people: Any, nobody: BearerClient) -> Callable[..., BearerClient]:
    """An API client that logged in for a token."""

    def make(login: str, password: str = PASSWORD, **more: str) -> BearerClient:
        answer = nobody.post("token", {"code": f"{login}:{password}", **more})
        assert answer.status == 201, answer.body
        return BearerClient(answer.body["jwt"])

    return make


@pytest.fixture
def later() -> Callable[..., None]:
    """Moves every time that sessions store into the past."""

    def pass_by(**span: float) -> None:
        past = timedelta(**span)
        for row in Session.objects.all():
            row.created, row.last_seen, row.expires = row.created - past, row.last_seen - past, row.expires - past
            row.save()
        Session.objects.filter(confirmed__isnull=False).update(confirmed=F("confirmed") - past)

    return pass_by


@pytest.fixture
def set_to() -> Callable[[str, str], None]:
    """Writes a setting without checking it."""

    def write(name: str, value: str) -> None:
        Setting.objects.update_or_create(name=name, defaults={"value": value})

    return write


@pytest.fixture
def is_in() -> Callable[[Client], bool]:
    """Whether a browser is logged in."""
    return lambda client: client.get("/environments").status_code == 200


@pytest.fixture
def count_of() -> Callable[[User], int]:
    """How many sessions an account has."""
    return lambda user: Session.objects.filter(account=user).count()


class Authenticator:
    """An authenticator: it knows one secret, and gives codes of steps that were not used yet."""

    recovery: list[str]

    def __init__(self, user: User) -> None:
        self.user = user

    @property
    def totp(self) -> pyotp.TOTP:
        return pyotp.TOTP(Totp.objects.get(account=self.user).secret)

    def code(self) -> str:
        """A valid code, as if half a minute had passed since the last one."""
        Totp.objects.filter(account=self.user).update(last_step=0)
        return self.totp.now()

    def wrong(self) -> str:
        here = {self.totp.at(int(time.time()) + 30 * off) for off in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in here)


@pytest.fixture
def phone(people: Any, actor_of: Any) -> Callable[[str], Authenticator]:
    """Enrols an account; returns its authenticator."""

    def make(login: str) -> Authenticator:
        user = getattr(people, login)
        second_factor.enrolment(user)
        found = Authenticator(user)
        found.recovery = second_factor.enrol(user, found.code(), actor=actor_of(login))
        return found

    return make
