"""With which account images are looked for: an environment's own, one that is lent, or none; each for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.stacks.models import Service
from apps.stacks.updates.accounts import NOBODY, RegistryAccounts, login_of
from apps.stacks.updates.models import ImageUpdate, RegistryHold, RegistryTag
from apps.vault.models import RegistryCredential, SharedRegistry
from apps.vault.registries.services import registry_add
from apps.vault.registries.shared_services import shared_registry_create
from tests.stacks.updates.tag_registry import TagRegistry

SECRET = "rosebud-77-secret"
Serve = Callable[..., Service]


@pytest.fixture
def second(actor_of: Any, run_loop: Callable[[], None]) -> Environment:
    """Another environment, of somebody else."""
    row = environment_create(actor=actor_of("mallory"), name="Other")
    run_loop()
    return row


@pytest.fixture
def add(lab: Environment, actor_of: Any, run_loop: Callable[[], None]) -> Callable[..., None]:
    """Gives the lab an account at a registry."""

    def make(address: str = "quay.io") -> None:
        registry_add(
            actor=actor_of("bob"), environment=lab, server_address=address, public_value="alice", secret_value=SECRET
        )
        run_loop()

    return make


def lend(actor: Any, address: str, lent_to: list[int] | None, run_loop: Callable[[], None]) -> SharedRegistry:
    account = {"public_value": "robot", "secret_value": SECRET}
    shared_registry_create(actor=actor, server_address=address, lent_to=lent_to, **account)
    run_loop()
    found: SharedRegistry = SharedRegistry.objects.latest("pk")
    return found


def test_an_account_of_ones_own_is_used_by_nobody_else(lab: Environment, second: Environment, add: Any):
    add()
    accounts = RegistryAccounts()
    row = RegistryCredential.all_objects.get()
    assert accounts.key_for(lab.pk, "quay.io") == f"c{row.pk}"
    assert accounts.key_for(second.pk, "quay.io") == NOBODY
    assert accounts.key_for(lab.pk, "ghcr.io") == NOBODY
    assert accounts.changed_at(f"c{row.pk}") == row.changed_at
    assert accounts.changed_at(NOBODY) is None


def test_what_is_lent_is_used_by_those_it_is_lent_to_and_after_their_own(
    lab: Environment, second: Environment, add: Any, actor_of: Any, run_loop: Callable[[], None]
):
    shared = lend(actor_of("root"), "quay.io", [lab.pk], run_loop)
    accounts = RegistryAccounts()
    assert accounts.key_for(lab.pk, "quay.io") == f"s{shared.pk}"
    assert accounts.key_for(second.pk, "quay.io") == NOBODY
    assert accounts.lent_domains == {"quay.io"}
    add()
    assert RegistryAccounts().key_for(lab.pk, "quay.io").startswith("c")


def test_an_account_is_read_when_it_is_needed_and_not_once_it_is_off(lab: Environment, add: Any):
    add()
    row = RegistryCredential.all_objects.get()
    login = login_of(f"c{row.pk}")
    assert login is not None
    assert (login.username, login.password) == ("alice", SECRET)
    RegistryCredential.all_objects.update(desired="inactive")
    assert login_of(f"c{row.pk}") is None
    assert login_of(NOBODY) is None
    assert login_of("s999") is None


def test_a_registry_that_is_lent_may_be_in_a_private_network_and_its_account_opens_it(
    serve: Serve, registry: TagRegistry, clock: Any, actor_of: Any, run_loop: Callable[[], None]
):
    registry.private, registry.accounts = {"team/web"}, {"robot": SECRET}
    newer = registry.push("team/web:1", "newer")
    row = serve()
    lend(actor_of("root"), registry.address, None, run_loop)
    clock.round()
    found = ImageUpdate.objects.get(service=row)
    assert (found.state, found.digest) == ("newer", newer)
    assert RegistryTag.objects.get(digest=newer).account.startswith("s")


def test_a_limit_of_one_account_does_not_hold_another_back(
    serve: Serve, registry: TagRegistry, clock: Any, add: Any, lab: Environment
):
    registry.push("team/web:1")
    row = serve()
    RegistryHold.objects.create(
        domain=registry.address, account=NOBODY, until=clock.at(12), reason="The registry limits how often."
    )
    clock.now = clock.now.replace(hour=11)
    clock.round(1)
    assert ImageUpdate.objects.get(service=row).reason == "The registry limits how often."
    registry.accounts = {"alice": SECRET}
    add(registry.address)
    clock.round(1)
    assert ImageUpdate.objects.get(service=row).state == "newer"
