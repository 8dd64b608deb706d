"""Upgrades to newer images: by a person, by policy in its window, judged, and not again with what failed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.core.errors import ActionNotAvailable, Forbidden
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.stacks.locks import lock_set
from apps.stacks.models import Service, ServiceRevision, Stack
from apps.stacks.service_returns import service_return_to
from apps.stacks.services import service_act, service_create, service_update
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.updates.image_upgrades import image_update_apply, upgrade_by_policy
from apps.stacks.updates.models import ImageUpdate, ImageUpgrade
from apps.stacks.updates.policies import environment_policy_set
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from simulated_engine.images import image_id
from tests.stacks.updates.tag_registry import TagRegistry

Serve = Callable[..., Service]
Publish = Callable[[str, str], str]
AT_ONCE = {"mode": "upgrade"}
AT_NIGHT = {"mode": "upgrade", "days": "*", "from": "02:00", "to": "05:00", "timeZone": "UTC"}

pytestmark = pytest.mark.faces


def images(row: Service) -> list[tuple[str, str]]:
    """The images of its containers, and whether these run."""
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None)
    return sorted((each.image, each.display_state) for each in rows)


def attempt(row: Service) -> ImageUpgrade:
    return ImageUpgrade.objects.get(service=row)


@pytest.fixture
def newer(serve: Serve, publish: Publish, clock: Any) -> Callable[..., tuple[Service, str]]:
    """Starts a service, and has its registry get a newer image that is known of by now."""

    def make(name: str = "web", scale: int = 1, **more: Any) -> tuple[Service, str]:
        row = serve(name, f"team/{name}:1", scale=scale, **more)
        found = publish(f"team/{name}:1", "newer")
        clock.round(upgrades=False)
        clock.round(upgrades=False)
        row.refresh_from_db()
        return row, found

    return make


def test_a_person_upgrades_to_the_newer_image_and_every_host_gets_that_one(
    newer: Any, registry: TagRegistry, clock: Any, actor_of: Any
):
    row, found = newer(scale=2)
    image_update_apply(row, actor=actor_of("bob"))
    clock.settle()
    row.refresh_from_db()
    name = registry.image("team/web:1")
    assert row.display_state == "upgraded"
    assert images(row) == [(name, "stopped")] * 2 + [(f"{name}@{found}", "running")] * 2
    assert (row.image, row.image_pins) == (name, {name: found})
    assert ServiceRevision.objects.get(service=row, number=2).note == f"Newer image: {name} ({found[7:19]})"
    service_act(row, "finishupgrade", actor=actor_of("bob"))
    clock.settle()
    clock.round()
    assert ImageUpdate.objects.get(service=row).state == "current"


def test_a_rollback_means_the_image_of_before_also_for_containers_made_later(
    newer: Any, registry: TagRegistry, clock: Any, actor_of: Any, sim: SimulatedDriver
):
    row, _found = newer()
    name = registry.image("team/web:1")
    before = f"{name}@{image_id(name)}"
    sim.registry.add(before)
    image_update_apply(row, actor=actor_of("bob"))
    clock.settle()
    row.refresh_from_db()
    service_act(row, "rollback", actor=actor_of("bob"))
    clock.settle()
    row.refresh_from_db()
    assert row.image_pins == {name: image_id(name)}
    service_update(row, actor=actor_of("bob"), scale=2)
    clock.settle()
    assert sorted(each for each, state in images(row) if state == "running") == [name, before]
    clock.round()
    assert ImageUpdate.objects.get(service=row).state == "newer"


def test_a_person_returns_to_the_revision_with_the_older_image(
    newer: Any, registry: TagRegistry, clock: Any, actor_of: Any, sim: SimulatedDriver
):
    row, _found = newer()
    name = registry.image("team/web:1")
    sim.registry.add(f"{name}@{image_id(name)}")
    image_update_apply(row, actor=actor_of("bob"))
    clock.settle()
    row.refresh_from_db()
    service_act(row, "finishupgrade", actor=actor_of("bob"))
    clock.settle()
    row.refresh_from_db()
    service_return_to(row, 1, actor=actor_of("bob"), strategy=UpgradeStrategy(interval_ms=100))
    clock.settle()
    assert (f"{name}@{image_id(name)}", "running") in images(row)


def test_another_upgrade_keeps_the_image_unless_it_is_to_be_pulled_or_is_another(
    newer: Any, registry: TagRegistry, clock: Any, actor_of: Any
):
    row, found = newer()
    bob, name = actor_of("bob"), registry.image("team/web:1")
    image_update_apply(row, actor=bob)
    clock.settle()
    row.refresh_from_db()
    service_act(row, "finishupgrade", actor=bob)
    clock.settle()
    row.refresh_from_db()
    config = type(row.config).from_wire({"imageUuid": f"docker:{name}", "environment": {"A": "1"}})
    service_upgrade(row, actor=bob, config=config, strategy=UpgradeStrategy(interval_ms=100))
    assert row.image_pins == {name: found}
    clock.settle()
    row.refresh_from_db()
    service_act(row, "finishupgrade", actor=bob)
    clock.settle()
    row.refresh_from_db()
    always = {"imageUuid": f"docker:{name}", "labels": {"io.rancher.container.pull_image": "always"}}
    service_upgrade(row, actor=bob, config=type(config).from_wire(always), strategy=UpgradeStrategy(interval_ms=100))
    assert row.image_pins == {}


def test_nothing_is_upgraded_where_nothing_newer_is_known_or_the_role_does_not_allow_it(
    serve: Serve, newer: Any, actor_of: Any
):
    row = serve("api", "team/api:1")
    with pytest.raises(ActionNotAvailable, match="No newer image of api is known"):
        image_update_apply(row, actor=actor_of("bob"))
    row, _found = newer()
    with pytest.raises(Forbidden):
        image_update_apply(row, actor=actor_of("rita"))
    assert row.revision == 1


def test_by_default_people_are_notified_and_nothing_is_upgraded(newer: Any, clock: Any):
    row, _found = newer()
    clock.round()
    assert ImageUpdate.objects.get(service=row).state == "newer"
    assert not ImageUpgrade.objects.exists()


def test_the_policy_upgrades_in_its_window_watches_and_finishes(
    newer: Any, registry: TagRegistry, clock: Any, actor_of: Any
):
    row, found = newer(scale=2, update_policy=AT_NIGHT)
    clock.at(1, 30)
    clock.round(upgrades=True)
    assert not ImageUpgrade.objects.exists()
    clock.at(2, 1)
    assert upgrade_by_policy(clock.now) == 1
    clock.settle()
    assert attempt(row).outcome == "going"
    assert upgrade_by_policy(clock.now) == 0
    clock.finish()
    clock.round()
    row.refresh_from_db()
    name = registry.image("team/web:1")
    assert (row.display_state, images(row)) == ("active", [(f"{name}@{found}", "running")] * 2)
    assert (attempt(row).outcome, attempt(row).digests) == ("finished", {name: found})
    entry = AuditEntry.all_objects.get(event="service.upgrade")
    assert (entry.account, entry.request["by"], entry.request["policyOf"]) == (
        None,
        "image update policy",
        "Bob",
    )
    assert entry.request["images"][name]["to"] == found


def test_a_newer_image_that_crashes_is_rolled_back_and_not_tried_again(
    newer: Any, publish: Publish, registry: TagRegistry, clock: Any, sim: SimulatedDriver, actor_of: Any
):
    row, _found = newer(update_policy=AT_ONCE)
    sim.registry.discard(f"{registry.image('team/web:1')}@{_found}")  # nobody can pull it: it never starts
    assert upgrade_by_policy(clock.now) == 1
    for _ in range(6):
        clock.settle()
        clock.watch(1200)
        if attempt(row).outcome == "rolled-back":
            break
        upgrade_by_policy(clock.now)
    row.refresh_from_db()
    assert attempt(row).outcome == "rolled-back"
    assert "not tried again by itself" in attempt(row).message
    clock.settle()
    assert images(row) == [(registry.image("team/web:1"), "running")]
    assert upgrade_by_policy(clock.now + timedelta(hours=3)) == 0
    newest = publish("team/web:1", "newest")
    clock.round(7200, upgrades=False)
    assert upgrade_by_policy(clock.now) == 1
    assert attempt(row).digests == {registry.image("team/web:1"): newest}


def test_a_person_tries_again_what_the_policy_does_not(newer: Any, registry: TagRegistry, clock: Any, actor_of: Any):
    row, found = newer(update_policy=AT_ONCE)
    ImageUpgrade.objects.create(
        environment_id=row.environment_id,
        service=row,
        digests={registry.image("team/web:1"): found},
        revision=2,
        previous_revision=1,
        outcome="rolled-back",
    )
    assert upgrade_by_policy(clock.now) == 0
    image_update_apply(row, actor=actor_of("bob"))
    assert not ImageUpgrade.objects.exists()
    clock.settle()
    row.refresh_from_db()
    assert row.display_state == "upgraded"


def test_one_upgrade_at_a_time_goes_on_in_an_environment(newer: Any, clock: Any):
    first, _found = newer("web", update_policy=AT_ONCE)
    second, _found = newer("api", update_policy=AT_ONCE)
    assert upgrade_by_policy(clock.now) == 1
    assert upgrade_by_policy(clock.now) == 0
    assert ImageUpgrade.objects.get().service_id == first.pk
    clock.finish()
    assert upgrade_by_policy(clock.now) == 1
    assert set(ImageUpgrade.objects.values_list("service", "outcome")) == {
        (first.pk, "finished"),
        (second.pk, "going"),
    }


def test_none_begins_while_a_person_upgrades_something_there(newer: Any, serve: Serve, clock: Any, actor_of: Any):
    newer(update_policy=AT_ONCE)
    other = serve("api", "team/api:1")
    service_upgrade(other, actor=actor_of("bob"), config=other.config, strategy=UpgradeStrategy(interval_ms=100))
    assert upgrade_by_policy(clock.now) == 0
    clock.settle()
    assert upgrade_by_policy(clock.now) == 1  # that one waits for its person


def test_what_is_locked_is_left_alone(newer: Any, clock: Any, actor_of: Any):
    row, _found = newer(update_policy=AT_ONCE)
    lock_set(row, actor=actor_of("bob"), reason="freeze")
    assert upgrade_by_policy(clock.now) == 0


def test_the_environments_policy_holds_for_services_that_say_nothing(
    newer: Any, lab: Environment, clock: Any, actor_of: Any
):
    environment_policy_set(lab, AT_ONCE, actor=actor_of("bob"))
    quiet, _found = newer("web", update_policy={"mode": "notify"})
    row, _found = newer("api")
    assert upgrade_by_policy(clock.now) == 1
    assert ImageUpgrade.objects.get().service_id == row.pk
    with pytest.raises(Forbidden):
        environment_policy_set(lab, AT_ONCE, actor=actor_of("rita"))
    entry = AuditEntry.all_objects.get(event="updatePolicy.update")
    assert entry.request == {"policy": {"mode": "upgrade"}}
    assert quiet.revision == 1


def test_with_never_nobody_looks(serve: Serve, registry: TagRegistry, clock: Any):
    row = serve(update_policy={"mode": "never"})
    registry.push("team/web:1")
    clock.round()
    assert registry.requests == []
    assert ImageUpdate.objects.get(service=row).reason == "The policy says never: nobody looks for newer ones."


def test_an_upgrade_that_is_refused_is_noted_and_not_tried_again(
    newer: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
):
    row, _found = newer(update_policy=AT_ONCE)

    def refuse(*_args: Any, **_more: Any) -> None:
        raise ActionNotAvailable("The host policy forbids it now.")

    monkeypatch.setattr("apps.stacks.updates.image_upgrades.service_upgrade", refuse)
    assert upgrade_by_policy(clock.now) == 0
    assert (attempt(row).outcome, attempt(row).message) == ("refused", "The host policy forbids it now.")
    assert upgrade_by_policy(clock.now) == 0
    assert AuditEntry.all_objects.filter(event="service.upgrade").count() == 0


def test_who_dies_while_an_upgrade_is_begun_leaves_nothing_or_one_that_is_followed(
    newer: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
):
    row, _found = newer(update_policy=AT_ONCE)

    def die(*_args: Any, **_more: Any) -> None:
        raise SystemExit

    for place in ("_audit", "row_changed"):
        with monkeypatch.context() as patch:
            patch.setattr(f"apps.stacks.updates.image_upgrades.{place}", die)
            with pytest.raises(SystemExit):
                upgrade_by_policy(clock.now)
        row.refresh_from_db()
        assert (row.revision, ImageUpgrade.objects.count()) == (1, 0)
    assert upgrade_by_policy(clock.now) == 1
    clock.finish()
    upgrade_by_policy(clock.now)
    assert attempt(row).outcome == "finished"


def test_sidekicks_are_upgraded_alone_where_only_theirs_is_newer(
    serve: Serve, publish: Publish, registry: TagRegistry, clock: Any, actor_of: Any, sim: SimulatedDriver, lab: Any
):
    serve()
    main, helper = registry.image("team/main:1"), registry.image("team/log:1")
    sim.registry |= {main, helper}
    unit = UnitConfig(
        LaunchConfig.from_wire({"imageUuid": f"docker:{main}"}),
        (Sidekick("log", LaunchConfig.from_wire({"imageUuid": f"docker:{helper}"})),),
    )
    stack = Stack.all_objects.get(name="shop")
    row = service_create(actor=actor_of("bob"), stack=stack, name="unit", config=unit, start_on_create=True)
    clock.settle()
    registry.tags["team/main:1"] = image_id(main)
    found = publish("team/log:1", "newer")
    for _ in range(4):
        clock.round()
    row.refresh_from_db()
    image_update_apply(row, actor=actor_of("bob"))
    clock.settle()
    running = sorted(image for image, state in images(row) if state == "running")
    assert running == sorted([main, f"{helper}@{found}"])
