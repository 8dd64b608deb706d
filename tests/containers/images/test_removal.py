"""Images are removed from hosts: those chosen, or those that a rule finds; what is used or needed stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.images import services
from apps.containers.images.inventory import take_inventory
from apps.containers.images.selectors import image_activity, prune_preview
from apps.containers.images.services import describe_removal, image_tag, images_prune, images_remove
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import HostImage, ImageRemoval
from apps.containers.services import container_act, container_create
from apps.control.cancel import operation_cancel
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound
from apps.drivers.base import EngineDown, EngineError
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.services import service_create, stack_create


@pytest.fixture
def other(lab: Environment, host: Host) -> Host:
    """A second host, `lab2`, with `app:1`."""
    engine.simulated_engine("lab2").local_images.add("app:1")
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    return row


@pytest.fixture
def stocked(host: Host, sim: SimulatedDriver) -> Host:
    """The first host with `app:1`, `app:2` and an image without a name."""
    sim.local_images.add("app:0")
    sim.local_images.add("app:1")
    sim.local_images.tag("app:1", "app:0")
    sim.local_images.add("app:2")
    take_inventory(host)
    return host


def image(name: str, host: Host) -> HostImage:
    found: HostImage = HostImage.all_objects.get(tags__contains=name, host=host)
    return found


def names(sim: SimulatedDriver) -> list[str]:
    return sorted(tag for each in sim.images() for tag in each.tags or ("-",))


def run(lab: Environment, actor: Any, image_name: str, name: str = "web") -> Any:
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{image_name}"})
    row = container_create(actor=actor, environment=lab, config=config, name=name)
    reconcile_until_idle()
    row.refresh_from_db()
    return row


def test_chosen_images_go_with_all_their_names(stocked: Host, sim: SimulatedDriver, actor_of: Any):
    (row,) = images_remove(actor=actor_of("bob"), images=[image("app:1", stocked), image("app:2", stocked)])
    assert row.display_state == "removing"
    assert str(row) == "2 images from h1"
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert (row.display_state, row.message) == ("finished", "Removed app:0, app:1, app:2.")
    assert row.ended is not None
    assert names(sim) == ["-", "bb:local"]
    found = describe_removal(row)
    assert (len(found["removed"]), found["kept"], found["freed"]) == (2, [], 8_000_000)
    assert HostImage.all_objects.count() == 2, "the inventory was taken again"
    operation = Operation.all_objects.get(kind="imageRemoval")
    assert (operation.state, operation.progress) == ("succeeded", 100)
    entry = AuditEntry.all_objects.get(event="imageRemoval.create")
    assert entry.request["images"] == ["app:0", "app:1", "app:2"]
    assert entry.account.login == "bob"


def test_what_a_container_uses_stays_and_the_container_is_named(
    lab: Environment, stocked: Host, sim: SimulatedDriver, actor_of: Any
):
    run(lab, actor_of("alice"), "app:2")
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:2", stocked), image("app:1", stocked)])
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    (kept,) = row.status["kept"]
    assert kept["name"] == "app:2"
    assert "the running container " in kept["reason"]
    assert (row.display_state, row.message) == ("finished", "Removed app:0, app:1. 1 of 2 images stays.")
    assert OperationLine.objects.filter(text__startswith="app:2 stays:").exists()
    assert "app:2" in names(sim)


def test_when_all_stay_the_operation_has_failed(lab: Environment, stocked: Host, actor_of: Any):
    run(lab, actor_of("alice"), "app:2")
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:2", stocked)])
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.display_state == "error"
    assert row.message.startswith("app:2 stays: the running container")
    assert Operation.all_objects.get(kind="imageRemoval").state == "failed"
    assert reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.display_state == "error", "requeued for nothing"


def test_force_is_for_owners_and_takes_what_stopped_containers_use(
    lab: Environment, stocked: Host, sim: SimulatedDriver, actor_of: Any
):
    container = run(lab, actor_of("alice"), "app:2")
    container_act(container, "stop", actor=actor_of("alice"))
    reconcile_until_idle()
    with pytest.raises(Forbidden):
        images_remove(actor=actor_of("bob"), images=[image("app:2", stocked)], force=True)
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:2", stocked)], force=True)
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.display_state == "finished"
    assert "app:2" not in names(sim)
    assert describe_removal(row)["freed"] == 0, "its layers are there as long as the container"


def test_a_name_that_was_given_to_another_image_meanwhile_is_left_alone(
    stocked: Host, sim: SimulatedDriver, actor_of: Any
):
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:2", stocked)])
    sim.tag_image("bb:local", "app:2")
    reconcile_one(row.KIND, row.pk)
    found = sim.find_image("app:2")
    assert found is not None
    assert "bb:local" in found.tags


def test_what_somebody_else_removed_counts_as_removed(stocked: Host, sim: SimulatedDriver, actor_of: Any):
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:2", stocked)])
    sim.remove_image("app:2")
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.display_state == "finished"


def test_an_engine_that_goes_away_is_waited_for_and_the_rest_is_done(
    stocked: Host, sim: SimulatedDriver, actor_of: Any
):
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:1", stocked), image("app:2", stocked)])
    sim.fail_next("remove_image", EngineDown("the cable"), times=1)
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert (row.display_state, row.message) == ("removing", "the cable")
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.display_state == "finished"
    assert names(sim) == ["-", "bb:local"]


def test_one_image_that_fails_keeps_no_other_from_going(stocked: Host, sim: SimulatedDriver, actor_of: Any):
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:1", stocked), image("app:2", stocked)])
    sim.fail_next("remove_image", EngineError("disk full"), times=1)
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert [each["reason"] for each in row.status["kept"]] == ["disk full"]
    assert len(row.status["removed"]) == 1


def test_a_cancelled_removal_stops(stocked: Host, sim: SimulatedDriver, actor_of: Any):
    (row,) = images_remove(actor=actor_of("alice"), images=[image("app:2", stocked)])
    operation_cancel(Operation.all_objects.get(kind="imageRemoval"), actor=actor_of("bob"))
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.display_state == "removed"
    assert "app:2" in names(sim)


def test_one_row_for_each_host_and_none_across_environments(stocked: Host, other: Host, actor_of: Any):
    rows = images_remove(actor=actor_of("bob"), images=[image("app:1", stocked), image("app:1", other)])
    assert [row.host for row in rows] == [stocked, other]
    with pytest.raises(Invalid):
        images_remove(actor=actor_of("bob"), images=[])
    foreign = HostImage(environment_id=stocked.environment_id + 1, host=other, image_id="x")
    with pytest.raises(Invalid, match="several environments"):
        images_remove(actor=actor_of("bob"), images=[image("app:1", stocked), foreign])


def test_more_than_can_be_removed_at_a_time_is_refused(stocked: Host, actor_of: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(services, "MAX_REMOVED", 1)
    with pytest.raises(Invalid, match="At most 1"):
        images_remove(actor=actor_of("bob"), images=list(HostImage.all_objects.select_related("host")))


@pytest.mark.parametrize("who", ["rex", "rita", "mallory"])
def test_who_may_not_manage_hosts_removes_nothing(stocked: Host, actor_of: Any, lab: Environment, who: str):
    actor = actor_of(who)
    refused: list[Callable[[], Any]] = [
        lambda: images_remove(actor=actor, images=[image("app:1", stocked)]),
        lambda: images_prune(actor=actor, environment=lab, rule="unused"),
        lambda: image_tag(actor=actor, image=image("app:1", stocked), name="app:9"),
    ]
    for attempt in refused:
        with pytest.raises(Forbidden):
            attempt()
    assert not ImageRemoval.all_objects.exists()


def test_the_preview_says_what_goes_and_pruning_does_just_that(
    lab: Environment, stocked: Host, other: Host, sim: SimulatedDriver, actor_of: Any
):
    run(lab, actor_of("alice"), "bb:local")
    take_inventory(stocked)
    found = prune_preview(lab.pk, rule="unused")
    assert [(str(host), sorted(map(str, images))) for host, images, _size in found.by_host] == [
        ("h1", sorted(["app:0", "app:2", str(HostImage.all_objects.get(tags=""))])),
        ("h2", ["app:1"]),
    ]
    assert (found.used, found.size) == (1, 16_000_000)
    rows = images_prune(actor=actor_of("bob"), environment=lab, rule="unused", expected=found.fingerprint)
    for row in rows:
        reconcile_one(row.KIND, row.pk)
    assert names(sim) == ["bb:local"]
    assert names(engine.simulated_engine("lab2")) == ["bb:local"], "the environment needs it, though not there"
    with pytest.raises(Conflict, match="no image to remove"):
        images_prune(actor=actor_of("bob"), environment=lab, rule="unused")


def test_what_changed_since_the_preview_is_not_pruned_unseen(
    lab: Environment, stocked: Host, sim: SimulatedDriver, actor_of: Any
):
    found = prune_preview(lab.pk, rule="unused")
    sim.local_images.add("app:3")
    take_inventory(stocked)
    with pytest.raises(Conflict, match="look again"):
        images_prune(actor=actor_of("bob"), environment=lab, rule="unused", expected=found.fingerprint)
    assert not ImageRemoval.all_objects.exists()


def test_only_dangling_images_and_only_of_the_hosts_that_are_named(lab: Environment, stocked: Host, other: Host):
    (nameless,) = prune_preview(lab.pk, rule="dangling").images
    assert nameless.is_dangling
    assert prune_preview(lab.pk, rule="dangling", hosts=[other.pk]).images == ()
    assert {str(each.host) for each in prune_preview(lab.pk, rule="unused", hosts=[other.pk]).images} == {"h2"}
    assert prune_preview(lab.pk, rule="unused", days=400).images == (), "all were made just now"


@pytest.mark.parametrize("wrong", [{"rule": "all"}, {"rule": ""}, {"rule": "unused", "days": -1}])
def test_a_rule_that_is_none_is_refused(lab: Environment, wrong: dict[str, Any]):
    with pytest.raises(Invalid):
        prune_preview(lab.pk, **wrong)


def test_what_a_service_names_stays_though_no_container_runs(
    lab: Environment, stocked: Host, actor_of: Any, run_loop: Callable[[], None]
):
    stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    service: dict[str, Any] = {
        "name": "web",
        "config": LaunchConfig.from_wire({"imageUuid": "docker:app:2"}),
        "scale": 1,
    }
    service_create(actor=actor_of("alice"), stack=stack, start_on_create=False, **service)
    take_inventory(stocked)
    found = prune_preview(lab.pk, rule="unused")
    assert "app:2" not in {tag for each in found.images for tag in each.tag_list}
    assert found.needed == 1


def test_an_image_gets_another_name(stocked: Host, sim: SimulatedDriver, actor_of: Any):
    assert image_tag(actor=actor_of("bob"), image=image("app:2", stocked), name=" team/app ") == "team/app:latest"
    assert sim.find_image("team/app:latest")
    assert image("team/app", stocked).tag_list == ["app:2", "team/app:latest"], "it is in the list at once"
    entry = AuditEntry.all_objects.get(event="image.tag")
    assert entry.request["name"] == "team/app:latest"


@pytest.mark.parametrize("name", ["", "Upper:1", "a b", f"app@sha256:{'0' * 64}", "-x", "x" * 800])
def test_a_name_that_is_none_is_refused(stocked: Host, sim: SimulatedDriver, actor_of: Any, name: str):
    with pytest.raises(Invalid):
        image_tag(actor=actor_of("bob"), image=image("app:2", stocked), name=name)
    assert sim.calls["tag_image"] == 0


def test_an_image_that_went_meanwhile_or_an_engine_that_fails_is_said(
    stocked: Host, sim: SimulatedDriver, actor_of: Any
):
    row = image("app:2", stocked)
    sim.fail_next("tag_image", EngineError("disk full"))
    with pytest.raises(Conflict, match="disk full"):
        image_tag(actor=actor_of("bob"), image=row, name="app:9")
    sim.local_images.clear()
    with pytest.raises(NotFound, match="any more"):
        image_tag(actor=actor_of("bob"), image=row, name="app:9")
    assert not AuditEntry.all_objects.filter(event="image.tag").exists()


def test_removals_under_way_are_listed_by_environment_and_by_host(stocked: Host, other: Host, actor_of: Any):
    images_remove(actor=actor_of("bob"), images=[image("app:1", stocked)])
    assert len(image_activity(stocked.environment_id).removals) == 1
    assert len(image_activity(stocked.environment_id, stocked.pk).removals) == 1
    assert image_activity(stocked.environment_id, other.pk).removals == ()
