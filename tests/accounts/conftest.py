"""Login providers to test against: a real OpenLDAP, a real Samba, a silent server, and a fake GitHub."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import AuthProvider
from apps.accounts.providers.ldap import provider as ldap_provider
from apps.accounts.providers.services import provider_save
from apps.environments.actor import Actor, actor_of_user
from tests.accounts.fake_directory import SAMPLE, FakeDirectory
from tests.accounts.fake_github import FakeGitHub
from tests.accounts.samba import Samba
from tests.accounts.silent_server import silent_server
from tests.accounts.slapd import Slapd

Configure = Callable[..., AuthProvider]


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    """An OpenLDAP with ann and dora in crew, which is in fleet, which is in loop, which is in fleet; ben is in loop."""
    pytest.importorskip("ldap")
    with tempfile.TemporaryDirectory(prefix="corral-slapd-") as folder:
        server = Slapd(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def samba() -> Iterator[Samba]:
    """An Active Directory with ann and dora (disabled) in Crew, which is in Fleet; it needs root."""
    pytest.importorskip("ldap")
    with tempfile.TemporaryDirectory(prefix="corral-samba-") as folder:
        server = Samba(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def actor_of(people: Any) -> Callable[..., Actor]:
    """Actors at the command line, who need no recent authentication."""
    return lambda who: actor_of_user(getattr(people, who) if isinstance(who, str) else who, "cli")


@pytest.fixture
def configure(actor_of: Callable[..., Actor]) -> Configure:
    """Stores a provider's configuration as an administrator and switches it on without a test."""

    def make(kind: str, data: dict[str, Any], *, enabled: bool = True) -> AuthProvider:
        provider_save(kind, data, actor=actor_of("root"))
        AuthProvider.objects.filter(kind=kind).update(enabled=enabled, trial_until=None)
        return AuthProvider.objects.get(kind=kind)

    return make


@pytest.fixture
def fake_directory(monkeypatch: pytest.MonkeyPatch, configure: Configure) -> FakeDirectory:
    """An OpenLDAP in memory that accepts logins: ann is in crew and fleet, ben is in fleet."""
    made = FakeDirectory()
    made.add("ann", "crew", "fleet")
    made.add("ben", "fleet")
    monkeypatch.setattr(ldap_provider, "load_reader", lambda: made)
    configure("openldap", SAMPLE)
    return made


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and says nothing."""
    with silent_server() as port:
        yield port


@pytest.fixture
def fake_github() -> Iterator[FakeGitHub]:
    """A fake GitHub Enterprise server."""
    made = FakeGitHub()
    yield made
    made.close()
