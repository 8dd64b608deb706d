"""Which balancers show a certificate: settings are decrypted once for each change, not each time somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.environments.models import Environment
from apps.stacks.balancer import certificates
from apps.stacks.balancer.certificates import balancers_with
from apps.stacks.balancer.config import Listener
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service
from apps.stacks.service_options import BALANCER, ServiceOptions, config_of_kind
from apps.stacks.services import service_act, service_create, service_update, stack_create
from apps.vault.models import Certificate
from apps.vault.services import certificate_create
from tests.vault.issuing import issue

pytestmark = pytest.mark.django_db


@pytest.fixture
def add(lab: Environment, actor_of: Any) -> Callable[[str], Certificate]:
    """Adds a certificate."""

    def add(name: str) -> Certificate:
        made = issue(f"{name}.example.org")
        return certificate_create(
            actor=actor_of("alice"), environment=lab, name=name, cert=made.cert, key=made.key_text
        )

    return add


def settings_with(*keys: int) -> BalancerSettings:
    first, *more = keys
    return BalancerSettings((Listener(443, "https"),), default_certificate=first, certificates=tuple(more))


@pytest.fixture
def serve(lab: Environment, actor_of: Any) -> Callable[..., Service]:
    """Makes a balancer that shows certificates."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="edge")

    def serve(name: str, *keys: int) -> Service:
        options = ServiceOptions(BALANCER, balancer=settings_with(*keys))
        config = config_of_kind(BALANCER, {})
        return service_create(actor=actor_of("bob"), stack=stack, name=name, config=config, options=options)

    return serve


def names(*keys: int) -> dict[int, list[str]]:
    return {key: sorted(row.name for row in rows) for key, rows in balancers_with(keys).items()}


def test_users_are_found_and_followed(
    add: Callable[[str], Certificate],
    serve: Callable[..., Service],
    actor_of: Any,
    monkeypatch: pytest.MonkeyPatch,
):
    shop, blog, unused = (add(name).pk for name in ("shop", "blog", "unused"))
    lb, both = serve("lb", shop), serve("both", blog, shop)
    assert names(shop, blog, unused) == {shop: ["both", "lb"], blog: ["both"]}
    assert names(unused) == {}
    read: list[int] = []

    def count(stored: Any) -> BalancerSettings:
        read.append(1)
        return BalancerSettings.from_json(stored)

    monkeypatch.setattr(certificates, "BalancerSettings", type("Counted", (), {"from_json": staticmethod(count)}))
    assert names(shop, blog) == {shop: ["both", "lb"], blog: ["both"]}
    assert read == []
    lb.refresh_from_db()
    service_update(lb, actor=actor_of("bob"), options=replace(lb.options, balancer=settings_with(blog)))
    assert names(shop, blog) == {shop: ["both"], blog: ["both", "lb"]}
    assert read == [1]
    both.refresh_from_db()
    service_act(both, "remove", actor=actor_of("bob"))
    assert names(shop, blog) == {blog: ["lb"]}
