"""A provider that is off: its people's sessions, tokens, keys and sockets do nothing until it is on again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.test import Client

from apps.accounts import admin
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.services import key_create
from apps.control.models import AuditEntry
from apps.environments.access import actor_of_user
from apps.realtime.door import Caller

Door = Callable[[], bool]


@pytest.fixture
def ann(paper: Any, people: Any) -> User:
    found = authenticate(None, username="ann", password="ann")
    assert isinstance(found, User)
    return found


@pytest.fixture
def doors(ann: User) -> dict[str, Door]:
    """Every way in that Ann has, as a question: is it open?"""
    browser = Client()
    browser.post("/login", {"login": "ann", "password": "ann"})
    token = Client().post("/v1/token", {"code": "ann:ann"}, content_type="application/json").json()["jwt"]
    made = key_create(actor=actor_of_user(ann, "api"), account=ann, name="robot")
    basic = base64.b64encode(f"{made.key.public_value}:{made.secret}".encode()).decode()

    def api(**headers: str) -> bool:
        return bool(Client().get("/v1/projects", headers=headers).status_code == 200)

    session = str(browser.session.session_key)
    return {
        "page": lambda: browser.get("/environments").status_code == 200,
        "token": lambda: api(Authorization=f"Bearer {token}"),
        "key": lambda: api(Authorization=f"Basic {basic}"),
        "socket of the session": lambda: Caller(session=session).actor() is not None,
        "socket of the key": lambda: Caller(key=made.key.pk).actor() is not None,
        "socket by ticket": lambda: Caller(account=ann.pk).actor() is not None,
    }


KEPT = {"key", "socket of the key", "socket by ticket"}


def open_doors(doors: dict[str, Door]) -> set[str]:
    return {name for name, is_open in doors.items() if is_open()}


def test_while_the_provider_is_on_every_door_is_open(doors: dict[str, Door]):
    assert open_doors(doors) == set(doors)


def test_switching_it_off_closes_every_door_and_on_again_opens_those_without_a_session(
    doors: dict[str, Door], actor_of: Any
):
    admin.provider_disable("openldap", actor=actor_of("root"))
    assert open_doors(doors) == set()
    entry = AuditEntry.all_objects.get(event="provider.disable")
    assert entry.request["sessionsEnded"] == 2
    AuthProvider.objects.update(enabled=True)
    assert open_doors(doors) == KEPT


def test_a_person_who_is_gone_has_no_door_and_no_session_afterwards(
    doors: dict[str, Door], ann: User, paper: Any, actor_of: Any, run_loop: Any
):
    paper.out["ann"] = "Disabled."
    admin.provider_resync("openldap", actor=actor_of("root"))
    run_loop()
    assert open_doors(doors) == set()
    assert AuditEntry.all_objects.get(event="account.resync").request["sessionsEnded"] == 2
    paper.out.clear()
    admin.provider_resync("openldap", actor=actor_of("root"))
    run_loop()
    assert open_doors(doors) == KEPT


def test_another_person_s_absence_closes_nothing(doors: dict[str, Door], ann: User):
    other = authenticate(None, username="ben", password="ben")
    Identity.objects.filter(user=other).update(gone="Disabled.")
    assert open_doors(doors) == set(doors)


def test_a_trial_that_nobody_confirmed_closes_every_door(doors: dict[str, Door]):
    from django.utils import timezone

    AuthProvider.objects.update(trial_until=timezone.now())
    assert open_doors(doors) == set()


def test_a_local_password_keeps_keys_alive_but_not_the_provider_s_sessions(
    doors: dict[str, Door], ann: User, actor_of: Any
):
    ann.set_password("a password kept here")
    User.all_objects.filter(pk=ann.pk).update(password=ann.password)
    admin.provider_disable("openldap", actor=actor_of("root"))
    assert open_doors(doors) == KEPT


def test_local_accounts_never_notice(people: Any, actor_of: Any, paper: Any):
    client = Client()
    client.post("/login", {"login": "root", "password": "correct horse battery staple"})
    admin.provider_disable("openldap", actor=actor_of("root"))
    assert client.get("/environments").status_code == 200


def test_an_account_that_no_provider_ever_knew_may_act(people: Any):
    people.rita.set_unusable_password()
    assert people.rita.is_active
