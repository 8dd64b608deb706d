"""Newer images of registries that the portal does not reach: their mirrors say which digest a tag has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.models import Setting
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.stacks.models import Service
from apps.stacks.updates.accounts import RegistryAccounts, login_of
from apps.stacks.updates.models import ImageUpdate, RegistryTag
from apps.vault.models import Registry
from apps.vault.registries.services import registry_add, registry_create
from apps.vault.registries.shared_services import shared_registry_create
from simulated_engine.images import image_id
from tests.stacks.updates.tag_registry import TagRegistry, tag_registry

ORIGIN, SECRET = "10.255.255.1:5000", "s3cret-w0rd"  # no portal may ask it: it is in a private network
IMAGE = f"{ORIGIN}/team/web:1"


@pytest.fixture
def mirrored(lab: Environment, registry: TagRegistry, actor_of: Any, run_loop: Callable[[], None]) -> Registry:
    """A registry that only hosts reach, and its mirror, which the portal reaches as well."""
    row = registry_create(actor=actor_of("bob"), environment=lab, server_address=ORIGIN, mirror=registry.address)
    run_loop()
    return row


@pytest.fixture
def run_image(serve: Callable[..., Service], registry: TagRegistry, sim: SimulatedDriver) -> Callable[[], Service]:
    """Starts a service of the registry's image, which hosts get from the mirror."""

    def make() -> Service:
        sim.registry.add(registry.image("team/web:1"))
        registry.image = lambda name: f"{ORIGIN}/{name}"  # type: ignore[method-assign]
        return serve()

    return make


def test_a_mirror_says_what_a_tag_means_while_its_registry_cannot_be_asked(
    mirrored: Registry, run_image: Any, registry: TagRegistry, clock: Any, update_of: Callable[[Service], ImageUpdate]
):
    row = run_image()
    assert row.image == IMAGE
    running = image_id(f"{registry.address}/team/web:1")
    registry.tags["team/web:1"] = running
    assert clock.round() == 1
    found = update_of(row)
    assert (found.state, found.running, found.reason) == ("current", running, "")
    newer = registry.push("team/web:1", "newer")
    clock.round(3600)
    assert (update_of(row).state, update_of(row).digest) == ("newer", newer)
    tag = RegistryTag.objects.get()
    assert (tag.domain, tag.mirror, tag.account) == (ORIGIN, registry.address, f"m{mirrored.pk}")


def test_where_the_mirror_fails_too_both_reasons_are_said(
    mirrored: Registry, run_image: Any, registry: TagRegistry, clock: Any, update_of: Callable[[Service], ImageUpdate]
):
    row = run_image()
    clock.round()
    reason = update_of(row).reason
    assert "is not on the public internet" in reason
    assert f"Its mirror: {registry.address} has no team/web:1." in reason


def test_a_registry_that_answers_is_asked_and_its_mirror_is_not(
    serve: Callable[..., Service],
    registry: TagRegistry,
    sim: SimulatedDriver,
    lab: Environment,
    actor_of: Any,
    clock: Any,
    update_of: Callable[[Service], ImageUpdate],
):
    with tag_registry() as mirror:
        registry_create(actor=actor_of("bob"), environment=lab, server_address=registry.address, mirror=mirror.address)
        Setting.objects.update(value=f"http://{registry.address}, http://{mirror.address}")
        row = serve()
        newer = registry.push("team/web:1", "newer")
        mirror.push("team/web:1", "older")
        clock.round()
        assert (update_of(row).digest, mirror.requests) == (newer, [])
        registry.broken = b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"
        clock.round(3600)
        clock.round(3600)
        # A mirror may be behind what the registry said before.
        assert (update_of(row).digest, mirror.requests) == (newer, [])


def test_the_account_of_the_registry_is_not_sent_to_its_mirror(
    lab: Environment, registry: TagRegistry, run_image: Any, actor_of: Any, clock: Any, run_loop: Callable[[], None]
):
    account = {"public_value": "alice", "secret_value": SECRET}
    registry_add(actor=actor_of("bob"), environment=lab, server_address=ORIGIN, mirror=registry.address, **account)
    run_loop()
    registry.private, registry.accounts = {"team/web"}, {"alice": SECRET}
    run_image()
    clock.round()
    assert registry.heads
    assert not any("authorization" in {name.lower() for name in each} for each in registry.headers)


def test_a_lent_mirror_is_asked_with_an_account_that_is_lent_as_widely(lab: Environment, actor_of: Any):
    root, bob = actor_of("root"), actor_of("bob")
    nobody: dict[str, Any] = {"public_value": "", "secret_value": ""}
    account: dict[str, Any] = {"public_value": "site", "secret_value": SECRET}
    lent = shared_registry_create(actor=root, server_address="quay.io", mirror="mirror.example.org/quay", **nobody)
    there = shared_registry_create(actor=root, server_address="mirror.example.org", lent_to=[lab.pk], **account)
    accounts = RegistryAccounts()
    key = accounts.key_for(lab.pk, "quay.io")
    assert (key, login_of(key)) == (f"s{lent.pk}", None)
    found = accounts.mirror_of(key)
    assert found is not None
    assert (found.address, found.account) == ("mirror.example.org/quay", "")
    assert accounts.lent_domains == {"quay.io", "mirror.example.org"}
    own = registry_add(actor=bob, environment=lab, server_address="quay.io", **account)
    found = RegistryAccounts().mirror_of(f"c{own.credentials.get().pk}")
    assert found is not None
    assert (found.address, found.account) == ("mirror.example.org/quay", f"s{there.pk}")
    assert accounts.mirror_of("") is None
    assert accounts.mirror_of("c999") is None
