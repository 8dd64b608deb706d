"""Which images run: of services, of their sidekicks, of containers of none; and who has which digest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.drivers.docker.parsing import parse_image
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.updates.models import HostImageDigests, ImageUpdate
from apps.stacks.updates.running import RunningImages
from apps.stacks.updates.selectors import (
    count_update_states,
    newer_image_of_container,
    seen_image_updates,
    update_states,
    updates_of_service,
)
from simulated_engine.images import image_id, repository_digest
from tests.stacks.updates.tag_registry import TagRegistry

Serve = Callable[..., Service]
DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture
def alone(lab: Environment, host: Host, actor_of: Any, sim: Any, clock: Any, registry: TagRegistry) -> Container:
    """A container of no service."""
    image = registry.image("team/alone:1")
    sim.registry.add(image)
    row = container_create(
        actor=actor_of("bob"),
        environment=lab,
        name="alone",
        config=LaunchConfig.from_wire({"imageUuid": f"docker:{image}"}),
    )
    clock.settle()
    row.refresh_from_db()
    return row


def test_a_container_of_no_service_has_a_row_of_its_own(alone: Container, registry: TagRegistry, clock: Any):
    newer = registry.push("team/alone:1")
    clock.round()
    row = ImageUpdate.objects.get()
    assert (row.container_id, row.service_id, row.state) == (alone.pk, None, "newer")
    found = newer_image_of_container(alone.environment_id, alone.pk, "")
    assert found is not None
    assert found.digest == newer
    assert newer_image_of_container(alone.environment_id + 1, alone.pk, "") is None


def test_containers_of_one_service_share_a_row_that_is_newer_while_any_is_old(
    serve: Serve, registry: TagRegistry, clock: Any
):
    row = serve(scale=2)
    name = registry.image("team/web:1")
    newer = registry.push("team/web:1", "newer")
    clock.round()
    first, second = Container.all_objects.filter(spread_key=str(row.uuid)).order_by("pk")
    Container.all_objects.filter(pk=first.pk).update(image=f"{name}@{newer}")
    Service.all_objects.filter(pk=row.pk).update(image_pins={name: newer})
    clock.round()
    found = ImageUpdate.objects.get(service=row)
    assert (found.image, found.state, found.running) == (name, "newer", image_id(name))
    Container.all_objects.filter(pk=second.pk).update(image=f"{name}@{newer}")
    clock.round()
    assert ImageUpdate.objects.get(service=row).state == "current"


def test_an_image_that_was_pulled_again_is_asked_for_at_the_engine_once_more(
    serve: Serve, registry: TagRegistry, clock: Any, sim: Any
):
    """The same image may be known under another digest since: an index of more platforms, for one."""
    row = serve()
    clock.round()
    before = HostImageDigests.objects.get()
    HostImageDigests.objects.update(digests=[], seen_at=row.created)
    running = RunningImages()
    running.learn_digests(clock.now)
    assert HostImageDigests.objects.get().digests == before.digests


def test_what_the_portal_makes_itself_is_not_asked_for(
    serve: Serve, registry: TagRegistry, clock: Any, monkeypatch: pytest.MonkeyPatch
):
    row = serve()
    monkeypatch.setattr("apps.stacks.updates.running.builder_of", lambda image: lambda name: [])
    clock.round()
    assert ImageUpdate.objects.get(service=row).reason.startswith("Corral makes this image itself")
    assert registry.requests == []


def test_what_is_on_a_lost_host_waits_for_it(serve: Serve, registry: TagRegistry, clock: Any):
    row = serve()
    registry.push("team/web:1")
    Host.all_objects.update(lost_at=clock.now)
    clock.round()
    assert ImageUpdate.objects.get(service=row).reason == "Its host has not said yet which image that is."


def test_the_worst_of_a_services_images_is_what_lists_show(
    serve: Serve, lab: Environment, registry: TagRegistry, clock: Any
):
    row = serve()
    clock.round()
    ImageUpdate.objects.create(environment=lab, service=row, image="log:1", state="newer", digest=DIGEST)
    assert update_states([row]) == {row.pk: "newer"}
    assert next(each.image for each in updates_of_service(row)) == "log:1"
    assert count_update_states(lab.pk) == {"newer": 1, "unknown": 1}
    ImageUpdate.objects.filter(image="log:1").update(state="current")
    assert update_states([row]) == {row.pk: "unknown"}


def test_rows_are_seen_by_members_only(serve: Serve, lab: Environment, clock: Any, actor_of: Any):
    serve()
    clock.round()
    assert seen_image_updates(actor_of("rita"), lab.pk).count() == 1
    assert seen_image_updates(actor_of("mallory"), lab.pk).count() == 0


def test_an_engines_digests_are_read_without_those_of_no_name():
    found = parse_image({"Id": "sha256:x", "RepoTags": None, "RepoDigests": ["<none>@<none>", f"web@{DIGEST}"]})
    assert found.digests == (f"web@{DIGEST}",)
    assert parse_image({"Id": "sha256:x"}).digests == ()


def test_a_simulated_engine_knows_what_it_pulled_under_a_digest():
    assert repository_digest(f"team/web:1@{DIGEST}") == f"team/web@{DIGEST}"
    assert repository_digest("quay.io:5000/team/web") == f"quay.io:5000/team/web@{image_id('quay.io:5000/team/web')}"
