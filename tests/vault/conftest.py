"""A certificate of the lab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.control.reconcile import reconcile_until_idle
from apps.environments.models import Environment
from apps.vault.models import Certificate
from apps.vault.services import certificate_create
from tests.vault.issuing import Issued, intermediate, issue

Add = Callable[..., Certificate]


@pytest.fixture
def add(lab: Environment, actor_of: Any) -> Add:
    """Adds a certificate to the lab, and lets the loop see it."""

    def add(made: Issued | None = None, *, name: str = "shop", chain: str = "", who: str = "alice") -> Certificate:
        made = made or intermediate().issue("shop.example.org")
        row = certificate_create(
            actor=actor_of(who), environment=lab, name=name, cert=made.cert, key=made.key_text, cert_chain=chain
        )
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return add


@pytest.fixture
def shop(add: Add) -> Certificate:
    """A certificate of 90 days with its chain."""
    return add(chain=intermediate().cert)


@pytest.fixture
def self_signed() -> Issued:
    return issue("self.example.org")
