"""A provider that is off: its people's sessions, tokens, keys and sockets do nothing until it is on again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.test import Client

from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.providers import services
from apps.accounts.services import key_create
from apps.control.models import AuditEntry
from apps.environments.actor import actor_of_user
from apps.environments.socket_credentials import SocketCredentials

IsAccepted = Callable[[], bool]


@pytest.fixture
def ann(fake_directory: Any, people: Any) -> User:
    found = authenticate(None, username="ann", password="ann")
    assert isinstance(found, User)
    return found


@pytest.fixture
def credentials(ann: User) -> dict[str, IsAccepted]:
    """Every credential of Ann's, with a check whether it still works."""
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
        "socket of the session": lambda: SocketCredentials(session=session).actor() is not None,
        "socket of the key": lambda: SocketCredentials(key=made.key.pk).actor() is not None,
        "socket by ticket": lambda: SocketCredentials(account=ann.pk).actor() is not None,
    }


WITHOUT_SESSION = {"key", "socket of the key", "socket by ticket"}


def working_credentials(credentials: dict[str, IsAccepted]) -> set[str]:
    return {name for name, is_open in credentials.items() if is_open()}


def test_while_the_provider_is_on_every_credential_works(credentials: dict[str, IsAccepted]):
    assert working_credentials(credentials) == set(credentials)


def test_switching_it_off_disables_every_credential_and_on_again_enables_those_without_a_session(
    credentials: dict[str, IsAccepted], actor_of: Any
):
    services.provider_disable("openldap", actor=actor_of("root"))
    assert working_credentials(credentials) == set()
    entry = AuditEntry.all_objects.get(event="provider.disable")
    assert entry.request["sessionsEnded"] == 2
    AuthProvider.objects.update(enabled=True)
    assert working_credentials(credentials) == WITHOUT_SESSION


def test_a_person_who_is_gone_has_no_credential_and_no_session_afterwards(
    credentials: dict[str, IsAccepted], ann: User, fake_directory: Any, actor_of: Any, run_loop: Any
):
    fake_directory.out["ann"] = "Disabled."
    services.provider_resync("openldap", actor=actor_of("root"))
    run_loop()
    assert working_credentials(credentials) == set()
    assert AuditEntry.all_objects.get(event="account.resync").request["sessionsEnded"] == 2
    fake_directory.out.clear()
    services.provider_resync("openldap", actor=actor_of("root"))
    run_loop()
    assert working_credentials(credentials) == WITHOUT_SESSION


def test_another_person_s_absence_closes_nothing(credentials: dict[str, IsAccepted], ann: User):
    other = authenticate(None, username="ben", password="ben")
    Identity.objects.filter(user=other).update(rejection_reason="Disabled.")
    assert working_credentials(credentials) == set(credentials)


def test_a_trial_that_nobody_confirmed_disables_every_credential(credentials: dict[str, IsAccepted]):
    from django.utils import timezone

    AuthProvider.objects.update(trial_until=timezone.now())
    assert working_credentials(credentials) == set()


def test_a_local_password_keeps_keys_alive_but_not_the_provider_s_sessions(
    credentials: dict[str, IsAccepted], ann: User, actor_of: Any
):
    ann.set_password("a password kept here")
    User.all_objects.filter(pk=ann.pk).update(password=ann.password)
    services.provider_disable("openldap", actor=actor_of("root"))
    assert working_credentials(credentials) == WITHOUT_SESSION


def test_local_accounts_never_notice(people: Any, actor_of: Any, fake_directory: Any):
    client = Client()
    client.post("/login", {"login": "root", "password": "correct horse battery staple"})
    services.provider_disable("openldap", actor=actor_of("root"))
    assert client.get("/environments").status_code == 200


def test_an_account_that_no_provider_ever_knew_may_act(people: Any):
    people.rita.set_unusable_password()
    assert people.rita.is_active
