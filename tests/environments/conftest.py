"""What tests of environments share: member lists written in one line, and sockets that are open somewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.environments.actor import Actor
from apps.environments.models import Environment, OpenSocket, Role
from apps.environments.services import members_set, role_create, socket_register

Actors = Callable[..., Actor]


@pytest.fixture
def give(people: Any, lab: Environment, actor_of: Actors) -> Callable[..., Actor]:
    """Sets the lab's members (alice stays its owner) as an administrator and returns the actor that did it."""

    def put(**roles: str) -> Actor:
        wanted = {"alice": "owner", **roles}
        listed = [
            {"externalId": f"1a{getattr(people, name).pk}", "externalIdType": "rancher_id", "role": role}
            for name, role in wanted.items()
        ]
        actor = actor_of("root")
        members_set(lab, listed, actor=actor)
        return actor

    return put


@pytest.fixture
def custom(people: Any, actor_of: Actors) -> Callable[..., Role]:
    """Makes a custom role of the given permissions."""

    def make(name: str, *permissions: str) -> Role:
        return role_create(actor=actor_of("root"), name=name, permissions=permissions)

    return make


@pytest.fixture
def socket(people: Any, lab: Environment) -> Callable[..., OpenSocket]:
    """Notes an open socket of somebody in the lab (or of the whole installation)."""

    def opened(who: str, permission: str = "logs", *, key: int | None = None, site: bool = False) -> OpenSocket:
        number = socket_register(
            account=getattr(people, who).pk,
            key=key,
            environment=None if site else lab.pk,
            verb="logs",
            permission="admin" if site else permission,
        )
        return OpenSocket.objects.get(pk=number)

    return opened
