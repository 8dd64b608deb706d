"""The command line as a program of this process: it talks to the portal's views and sockets without a network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from apps.accounts.services import key_create
from apps.control.reconcile import reconcile_until_idle
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create, environment_key_create
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.cli.command_line import CommandLine

ENGINE = "sim://cli"


@pytest.fixture(autouse=True)
def clean_state() -> Any:
    """Reset rate limits and the simulated engine."""
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    cache.clear()
    yield
    registry.discard_driver(Endpoint(ENGINE))
    engine.reset_engines()


@pytest.fixture
def nobody(tmp_path: Path) -> CommandLine:
    """Somebody in an empty folder who has not logged in."""
    return CommandLine(tmp_path)


@pytest.fixture
def key_pair(people: Any, lab: Environment) -> Callable[..., tuple[str, str]]:
    """A key of the lab, created by one of its people; `account=True` makes one of the account itself."""

    def make(name: str = "alice", *, account: bool = False, **limits: Any) -> tuple[str, str]:
        user = getattr(people, name)
        actor = actor_of_user(user, "api")
        if account:
            made = key_create(actor=actor, account=user, name="cli", **limits)
        else:
            made = environment_key_create(actor=actor, environment=lab, name="cli", **limits)
        reconcile_until_idle()
        return made.key.public_value, made.secret

    return make


@pytest.fixture
def cli_of(tmp_path: Path, key_pair: Callable[..., tuple[str, str]]) -> Callable[..., CommandLine]:
    """The command line of somebody, with a key of the lab in its environment."""

    def make(name: str = "alice", **more: Any) -> CommandLine:
        access, secret = key_pair(name, **more)
        found = CommandLine(tmp_path)
        found.environ |= {
            "RANCHER_URL": "http://portal.test",
            "RANCHER_ACCESS_KEY": access,
            "RANCHER_SECRET_KEY": secret,
        }
        return found

    return make


@pytest.fixture
def cli(cli_of: Callable[..., CommandLine], host: Host) -> CommandLine:
    """That of the lab's owner, with a host in the lab."""
    return cli_of()


@pytest.fixture
def host(people: Any, lab: Environment) -> Host:
    """The lab's simulated host."""
    row = host_create(actor=actor_of_user(people.root, "api"), environment=lab, url=ENGINE, name="lab-1")
    reconcile_until_idle()
    return row


@pytest.fixture
def second_environment(people: Any) -> Environment:
    """Another environment of alice's."""
    row = environment_create(actor=actor_of_user(people.alice, "api"), name="Stage")
    reconcile_until_idle()
    return row
