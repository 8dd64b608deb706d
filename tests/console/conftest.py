"""Logged-in test clients, and a stack with running containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create

SPEC = {
    "imageUuid": "docker:bb:local",
    "ports": ["80/tcp"],
    "environment": {"TOKEN": "s3cret-value"},
    "labels": {"tier": "front"},
}


@pytest.fixture
def browser_as(people: Any) -> Callable[[str], Client]:
    """Makes a test client that is logged in as a person."""

    def make(name: str) -> Client:
        client = Client()
        client.force_login(getattr(people, name), backend="apps.accounts.providers.LocalBackend")
        return client

    return make


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Any) -> Stack:
    """A stack of the lab, without services."""
    return stack_create(actor=actor_of("alice"), environment=lab, name="shop")


@pytest.fixture
def web(shop: Stack, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    """A service of two running containers."""
    row = service_create(
        actor=actor_of("alice"),
        stack=shop,
        name="web",
        config=LaunchConfig.from_wire(SPEC),
        scale=2,
        start_on_create=True,
    )
    run_loop()
    row.refresh_from_db()
    return row


@pytest.fixture
def container(web: Service) -> Container:
    """The first container of the service."""
    found: Container = Container.all_objects.get(slot__service=web, slot__number=1)
    return found


@pytest.fixture
def at(lab: Environment) -> Callable[..., str]:
    """Makes the URL of a page of the lab."""

    def address(name: str, **kwargs: Any) -> str:
        return reverse(f"console:{name}", kwargs={"environment": lab.pk, **kwargs})

    return address
