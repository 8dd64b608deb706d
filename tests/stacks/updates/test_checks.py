"""Looking for newer images: found within a round, said why not, asked rarely, and never with another one's password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.core.models import Setting
from apps.drivers.base import EngineDown
from apps.drivers.simulated import engine as simulated_engines
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.models import Service, Stack
from apps.stacks.updates.models import HostImageDigests, ImageUpdate, RegistryHold, RegistryTag
from apps.vault.models import RegistryCredential
from apps.vault.registries.services import registry_add, registry_credential_update
from simulated_engine.images import image_id
from tests.stacks.updates.tag_registry import TagRegistry, digest

SECRET = "rosebud-77-secret"
Serve = Callable[..., Service]
UpdateOf = Callable[[Service], ImageUpdate]


def test_a_newer_image_shows_within_one_round_with_both_digests(
    serve: Serve, registry: TagRegistry, clock: Any, update_of: UpdateOf
):
    row = serve()
    running = image_id(registry.image("team/web:1"))
    registry.tags["team/web:1"] = running
    assert clock.round() == 1
    found = update_of(row)
    assert (found.state, found.running, found.digest, found.since) == ("current", running, running, None)
    newer = registry.push("team/web:1", "newer")
    assert clock.round() == 0  # asked within the hour
    assert clock.round(3600) == 1
    found = update_of(row)
    assert (found.state, found.running, found.digest, found.since) == ("newer", running, newer, clock.now)
    assert registry.heads[-1].endswith(" 200")


def test_an_unchanged_image_is_asked_for_with_its_etag_and_keeps_its_digest(
    serve: Serve, registry: TagRegistry, clock: Any, update_of: UpdateOf
):
    row = serve()
    newer = registry.push("team/web:1")
    clock.round()
    since = update_of(row).since
    clock.round(3600)
    assert registry.heads[-1] == "HEAD /v2/team/web/manifests/1 304"
    assert (update_of(row).digest, update_of(row).since) == (newer, since)


def test_engines_are_asked_once_about_what_they_have(serve: Serve, sim: SimulatedDriver, clock: Any):
    serve()
    clock.round()
    before = sim.calls["images"]
    clock.round()
    clock.round(3600)
    assert sim.calls["images"] == before


def test_an_engine_that_does_not_answer_is_asked_again(
    serve: Serve, registry: TagRegistry, sim: SimulatedDriver, clock: Any, update_of: UpdateOf
):
    row = serve()
    registry.push("team/web:1")
    sim.fail_next("images", EngineDown("gone"))
    clock.round()
    assert update_of(row).reason == "Its host has not said yet which image that is."
    clock.round()
    assert update_of(row).state == "newer"


def test_an_image_of_no_registry_is_not_asked_for(
    serve: Serve, registry: TagRegistry, sim: SimulatedDriver, clock: Any, update_of: UpdateOf
):
    sim.local_images.add(registry.image("team/web:1"))
    row = serve()
    clock.round()
    found = update_of(row)
    assert (found.state, found.reason) == (
        "unknown",
        "It came from no registry: it was built or loaded on the host.",
    )
    assert registry.requests == []


def test_an_image_pinned_by_its_digest_is_not_asked_for(
    serve: Serve, registry: TagRegistry, clock: Any, update_of: UpdateOf
):
    row = serve(image=f"team/web@{digest('one')}")
    clock.round()
    assert update_of(row).reason == "Its name is pinned to a digest, which never means another image."
    assert registry.requests == []


def test_what_the_registry_refuses_is_said_and_tried_again_later_and_later(
    serve: Serve, registry: TagRegistry, clock: Any, update_of: UpdateOf
):
    row = serve()
    clock.round()
    assert update_of(row).reason == f"{registry.address} has no team/web:1."
    waits = []
    for _ in range(8):
        tag = RegistryTag.objects.get()
        waits.append((tag.next_at - clock.now) / timedelta(minutes=1))
        clock.now = tag.next_at
        clock.round(1)
    assert waits[0] == 60
    assert waits[-1] > 400
    registry.push("team/web:1")
    clock.now = RegistryTag.objects.get().next_at
    clock.round(1)
    tag = RegistryTag.objects.get()
    assert (update_of(row).state, tag.failures, tag.message) == ("newer", 0, "")


def test_nothing_is_asked_while_a_registry_cannot_be_reached(serve: Serve, registry: TagRegistry, clock: Any):
    serve()
    serve("api", "team/api:1")
    registry.broken = b"\x00"
    clock.round()
    hold = RegistryHold.objects.get()
    assert (hold.until is not None, hold.failures) == (True, 1)
    before = len(registry.requests)
    clock.round()
    assert len(registry.requests) == before
    registry.broken = b""
    registry.push("team/web:1")
    registry.push("team/api:1")
    for _ in range(20):
        clock.round()
    assert set(ImageUpdate.objects.values_list("state", flat=True)) == {"newer"}
    assert RegistryHold.objects.get().until is None


def test_no_question_is_asked_while_a_limit_holds(serve: Serve, registry: TagRegistry, clock: Any, update_of: UpdateOf):
    row = serve()
    serve("api", "team/api:1")
    registry.push("team/web:1")
    registry.is_limited, registry.limit_headers = True, {"Retry-After": "7200"}
    clock.round()
    assert len(registry.heads) == 1
    for _ in range(20):
        clock.round(300)
    assert len(registry.heads) == 1
    assert "limits how often" in update_of(row).reason
    registry.is_limited = False
    clock.round(2400)
    clock.round()
    assert update_of(row).state == "newer"


def test_three_hundred_services_of_forty_images_are_forty_questions_an_hour(
    lab: Environment, host: Host, registry: TagRegistry, clock: Any, actor_of: Any
):
    """Over eight environments; none while a limit is set; what is new shows within an hour."""
    images = [f"team/app{number}:1" for number in range(40)]
    environments = [lab] + [environment_create(actor=actor_of("alice"), name=f"Lab {n}") for n in range(7)]
    hosts = [host] + [
        Host.all_objects.create(environment=each, name="h", url=f"sim://{each.pk}", state="active", desired="active")
        for each in environments[1:]
    ]
    running = {image: image_id(registry.image(image)) for image in images}
    registry.tags = dict(running)
    for number in range(300):
        make_service(environments[number % 8], hosts[number % 8], registry.image(images[number % 40]), number)
    begun = clock.now
    while clock.now < begun + timedelta(hours=1):
        clock.round(60, upgrades=False)
    assert len(registry.heads) == 40
    assert ImageUpdate.objects.filter(state="current").count() == 300
    assert RegistryTag.objects.count() == 40
    registry.push("team/app7:1", "newer")
    while clock.now < begun + timedelta(hours=2):
        clock.round(60, upgrades=False)
    assert len(registry.heads) == 80
    assert ImageUpdate.objects.filter(state="newer").count() == 8
    registry.is_limited, registry.limit_headers = True, {"Retry-After": "3600"}
    while clock.now < begun + timedelta(hours=2, minutes=30):
        clock.round(60, upgrades=False)
    assert len(registry.heads) == 81  # the one that was told of the limit


def make_service(environment: Environment, host: Host, image: str, number: int) -> None:
    """Rows of a service with a container that runs, as the loop would leave them."""
    stack = Stack.all_objects.create(environment=environment, name=f"s{number}", desired="active", state="active")
    row = Service.all_objects.create(
        environment=environment, stack=stack, name="web", image=image, desired="active", state="active"
    )
    Container.all_objects.create(
        environment=environment,
        host=host,
        name=f"s{number}_web_1",
        image=image,
        desired="running",
        state="running",
        external_id=f"{number:064x}",
        spread_key=str(row.uuid),
        status={"image_id": image_id(image)},
    )
    name = image.rpartition(":")[0]
    HostImageDigests.objects.get_or_create(
        host=host,
        image_id=image_id(image),
        defaults={"digests": [f"{name}@{image_id(image)}"], "seen_at": timezone.now() + timedelta(hours=1)},
    )


def test_what_one_tenants_password_opens_is_shown_to_no_other(
    serve: Serve,
    registry: TagRegistry,
    sim: SimulatedDriver,
    clock: Any,
    actor_of: Any,
    lab: Environment,
    run_loop: Any,
):
    """Both run the private image; only one of them has an account for it now."""
    registry.uses_tokens, registry.private, registry.accounts = True, {"team/web"}, {"alice": SECRET}
    newer = registry.push("team/web:1", "newer")
    mine = serve()
    Setting.objects.filter(name="updates.registries").update(value=f"http://{registry.address}")
    registry_add(
        actor=actor_of("bob"),
        environment=lab,
        server_address=registry.address,
        public_value="alice",
        secret_value=SECRET,
    )
    other = environment_create(actor=actor_of("mallory"), name="Other")
    run_loop()
    other_host = host_create(actor=None, environment=other, url="sim://lab2", name="h9")
    run_loop()
    simulated_engines.simulated_engine("lab2").registry.add(registry.image("team/web:1"))
    make_service(other, other_host, registry.image("team/web:1"), 1)
    for _ in range(4):
        clock.round()
    own, foreign = ImageUpdate.objects.get(service=mine), ImageUpdate.objects.get(environment=other)
    assert (own.state, own.digest) == ("newer", newer)
    assert (foreign.state, foreign.digest) == ("unknown", "")
    assert "requests without an account" in foreign.reason
    assert sorted(RegistryTag.objects.values_list("account", "digest")) != []
    assert {bool(each) for each in RegistryTag.objects.values_list("account", flat=True)} == {True, False}
    stored = repr(list(RegistryTag.objects.values())) + repr(list(RegistryHold.objects.values()))
    assert SECRET not in stored


def test_a_new_password_is_tried_at_once(
    serve: Serve, registry: TagRegistry, clock: Any, actor_of: Any, lab: Environment, run_loop: Any, update_of: UpdateOf
):
    registry.private, registry.accounts = {"team/web"}, {"alice": SECRET}
    registry.push("team/web:1")
    row = serve()
    registry_add(
        actor=actor_of("bob"), environment=lab, server_address=registry.address, public_value="alice", secret_value="x1"
    )
    run_loop()
    clock.now = timezone.now()
    clock.round(0)
    assert "does not show team/web to the account alice" in update_of(row).reason
    registry_credential_update(RegistryCredential.all_objects.get(), actor=actor_of("bob"), secret_value=SECRET)
    run_loop()
    clock.round(60)
    assert update_of(row).state == "newer"


def test_a_check_that_died_half_way_is_made_again_and_none_is_made_twice_at_once(
    serve: Serve, registry: TagRegistry, clock: Any, update_of: UpdateOf, monkeypatch: pytest.MonkeyPatch
):
    row = serve()
    registry.push("team/web:1")

    def die(*_args: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("apps.stacks.updates.questions.RegistryQuestions._keep_answer", die)
        with pytest.raises(SystemExit):
            clock.round()
    assert len(registry.heads) == 1
    clock.round()
    assert len(registry.heads) == 1  # the tag is claimed
    clock.round(300)
    assert update_of(row).state == "newer"


def test_with_the_setting_at_zero_nobody_looks(serve: Serve, registry: TagRegistry, clock: Any):
    serve()
    registry.push("team/web:1")
    clock.round()
    Setting.objects.create(name="updates.check.minutes", value="0")
    assert clock.round(3600) == 0
    assert not ImageUpdate.objects.exists()


def test_rows_go_with_what_they_are_about(serve: Serve, registry: TagRegistry, clock: Any):
    row = serve()
    registry.push("team/web:1")
    clock.round()
    Container.all_objects.filter(spread_key=str(row.uuid)).update(desired="stopped")
    clock.round()
    assert not ImageUpdate.objects.exists()
    assert RegistryTag.objects.exists()  # for a day
    clock.round(90_000)
    assert not RegistryTag.objects.exists()
    assert not HostImageDigests.objects.exists()
