"""The lab's people as API clients and in browsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.accounts.services import key_create
from apps.control.reconcile import reconcile_until_idle
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from tests.wire.api_client import ApiClient


@pytest.fixture(autouse=True)
def reset_throttle() -> None:
    """Reset the rate limits."""
    cache.clear()


@pytest.fixture
def api_of(people: Any, lab: Environment) -> Callable[..., ApiClient]:
    """The API as somebody, inside the lab unless `inside` is false."""

    def make(name: str, *, inside: bool = True) -> ApiClient:
        made = key_create(actor=actor_of_user(getattr(people, name), "api"), account=getattr(people, name), name="t")
        reconcile_until_idle()
        api = ApiClient(f"{made.key.public_value}:{made.secret}")
        return api.inside(lab) if inside else api

    return make


@pytest.fixture
def browser_as(people: Any) -> Callable[[str], Client]:
    """A browser session of somebody."""

    def make(name: str) -> Client:
        client = Client()
        client.force_login(getattr(people, name), backend="apps.accounts.providers.LocalBackend")
        return client

    return make


@pytest.fixture
def at(lab: Environment) -> Callable[..., str]:
    """The path of a page of the lab."""
    return lambda name, **kwargs: reverse(f"console:{name}", kwargs={"environment": lab.pk, **kwargs})
