"""A lab with one row of everything, and somebody with an environment of their own who is no member of it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.login.sessions import sessions_of
from apps.accounts.services import key_create
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.models import AuditEntry, Operation
from apps.environments.models import Environment
from apps.environments.services import environment_create, environment_key_create
from apps.hosts.models import Host
from apps.stacks.services import service_create, stack_create


@pytest.fixture(autouse=True)
def reset_throttle() -> None:
    """Reset the rate limits."""
    cache.clear()
    logging.getLogger("django.request").setLevel(logging.CRITICAL)


@pytest.fixture
def browser_as(people: Any) -> Any:
    """A browser session of somebody."""

    def make(name: str) -> Client:
        client = Client()
        client.force_login(getattr(people, name), backend="apps.accounts.providers.LocalBackend")
        return client

    return make


@pytest.fixture
def own_environment(people: Any, actor_of: Any, run_loop: Any) -> Environment:
    """Mallory's own environment, where she has every permission."""
    row = environment_create(actor=actor_of("mallory"), name="Den")
    run_loop()
    return row


@pytest.fixture
def foreign(people: Any, lab: Environment, host: Host, actor_of: Any, browser_as: Any, run_loop: Any) -> Any:
    """One row of everything in the lab, by the URL segment before its id."""
    alice = actor_of("alice")
    stack = stack_create(actor=alice, environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    service = service_create(actor=alice, stack=stack, name="web", config=config, scale=1, start_on_create=True)
    inside = environment_key_create(actor=alice, environment=lab, name="ci").key
    own = key_create(actor=alice, account=people.alice, name="own").key
    browser_as("alice")
    run_loop()
    container = Container.all_objects.get(slot__service=service)
    return SimpleNamespace(
        by_word={
            "env": lab.pk,
            "environments": lab.pk,
            "stacks": stack.pk,
            "services": service.pk,
            "containers": container.pk,
            "hosts": host.pk,
            "activity": Operation.all_objects.filter(environment=lab).first().pk,  # type: ignore[union-attr]
            "audit": AuditEntry.all_objects.filter(environment=lab).first().pk,  # type: ignore[union-attr]
            "keys": inside.pk,
            "account/keys": own.pk,
            "sessions": sessions_of(people.alice)[0].pk,
            "accounts": people.alice.pk,
            "members": people.alice.pk,
        },
        lab=lab,
        container=container,
        host=host,
    )
