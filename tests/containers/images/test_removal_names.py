"""A removal by name takes that name alone; one of an image takes all names, or none while it is used or needed."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.images.inventory import take_inventory
from apps.containers.images.services import describe_removal, images_remove
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import HostImage, ImageRemoval
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_one
from apps.core.errors import Invalid
from apps.drivers.base import CreateRequest, EngineError
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.services import service_create, stack_create


@pytest.fixture
def three(host: Host, sim: SimulatedDriver) -> HostImage:
    """One image with the names tt:a, tt:b and tt:c."""
    sim.local_images.add("tt:a")
    sim.local_images.tag("tt:a", "tt:b")
    sim.local_images.tag("tt:a", "tt:c")
    take_inventory(host)
    found: HostImage = HostImage.all_objects.get(tags__contains="tt:a", host=host)
    return found


def remove(actor: Any, chosen: HostImage, **options: Any) -> ImageRemoval:
    (row,) = images_remove(actor=actor, images=[chosen], **options)
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    return row


def tt(sim: SimulatedDriver) -> list[str]:
    return sorted(tag for each in sim.images() for tag in each.tags if tag.startswith("tt:"))


def make(sim: SimulatedDriver, image_name: str, *, start: bool) -> str:
    """A container that Corral does not manage."""
    made = sim.create(CreateRequest("user", {"Image": image_name}))
    if start:
        sim.start(made)
    return made


@pytest.mark.parametrize("start", [True, False])
def test_a_name_goes_alone_also_while_the_image_is_in_use_under_another(
    three: HostImage, sim: SimulatedDriver, actor_of: Any, start: bool
):
    make(sim, "tt:a", start=start)
    row = remove(actor_of("bob"), three, only="tt:c")
    assert tt(sim) == ["tt:a", "tt:b"]
    assert (row.display_state, row.message) == ("finished", "Removed tt:c. The image stays as tt:a, tt:b.")
    found = describe_removal(row)
    assert (found["removed"], found["kept"], found["names"], found["freed"]) == ([], [], ["tt:c"], 0)
    assert found["untagged"] == [{"id": three.image_id, "names": ["tt:c"], "left": ["tt:a", "tt:b"]}]
    assert AuditEntry.all_objects.get(event="imageRemoval.create").request["images"] == ["tt:c"]


def test_the_name_a_container_was_made_from_stays(three: HostImage, sim: SimulatedDriver, actor_of: Any):
    made = make(sim, "tt:a", start=True)
    for force in (False, True):
        row = remove(actor_of("alice"), three, only="tt:a", force=force)
        assert row.display_state == "error"
        assert row.message == "tt:a stays: the running container user was made from it; that cannot be forced"
    sim.stop(made, 0)
    assert "the stopped container user" in remove(actor_of("alice"), three, only="tt:a").message
    assert tt(sim) == ["tt:a", "tt:b", "tt:c"]
    assert remove(actor_of("alice"), three, only="tt:a", force=True).display_state == "finished"
    assert tt(sim) == ["tt:b", "tt:c"]


def test_the_last_name_takes_the_image_along(three: HostImage, sim: SimulatedDriver, actor_of: Any):
    for name in ("tt:a", "tt:b"):
        assert describe_removal(remove(actor_of("bob"), three, only=name))["removed"] == []
    row = remove(actor_of("bob"), three, only="tt:c")
    assert (describe_removal(row)["removed"], row.message) == ([three.image_id], "Removed tt:c.")
    assert sim.find_image(three.image_id) is None
    assert row.status["freed"] == 4_000_000


def test_the_last_name_of_an_image_in_use_stays_whatever_the_container_calls_it(
    three: HostImage, sim: SimulatedDriver, actor_of: Any
):
    make(sim, "tt:a", start=True)
    for name in ("tt:a", "tt:b"):
        sim.remove_image(name)
    assert "running container user" in remove(actor_of("alice"), three, only="tt:c", force=True).message
    assert tt(sim) == ["tt:c"]


@pytest.mark.parametrize(("start", "force"), [(True, False), (True, True), (False, False)])
def test_a_whole_image_in_use_keeps_every_name(
    three: HostImage, sim: SimulatedDriver, actor_of: Any, start: bool, force: bool
):
    make(sim, "tt:b", start=start)
    row = remove(actor_of("alice"), three, force=force)
    assert tt(sim) == ["tt:a", "tt:b", "tt:c"]
    assert sim.calls["remove_image"] == 0, "nothing was even tried"
    assert row.display_state == "error"
    assert f"the {'running' if start else 'stopped'} container user was made from it" in row.message


def test_force_takes_all_names_of_what_a_stopped_container_uses(three: HostImage, sim: SimulatedDriver, actor_of: Any):
    make(sim, "tt:b", start=False)
    row = remove(actor_of("alice"), three, force=True)
    assert (tt(sim), row.message) == ([], "Removed tt:a, tt:b, tt:c.")


@pytest.mark.parametrize("only", ["", "tt:b"])
def test_what_a_service_names_keeps_its_names_unless_forced(
    lab: Environment, three: HostImage, sim: SimulatedDriver, actor_of: Any, only: str
):
    alice = actor_of("alice")
    stack = stack_create(actor=alice, environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:tt:b"})
    service_create(actor=alice, stack=stack, start_on_create=False, name="web", config=config, scale=1)
    row = remove(alice, three, only=only)
    assert row.message.endswith("stays: a container or service of the environment names tt:b")
    assert tt(sim) == ["tt:a", "tt:b", "tt:c"]
    assert remove(alice, three, only="tt:c").display_state == "finished", "no service names that"
    assert remove(alice, three, only=only, force=True).display_state == "finished"
    assert tt(sim) == (["tt:a"] if only else [])


def test_an_image_that_comes_into_use_while_its_names_go_gets_them_back(
    three: HostImage, sim: SimulatedDriver, actor_of: Any, monkeypatch: pytest.MonkeyPatch
):
    remove_image = sim.remove_image

    def start_first(name: str, *, force: bool = False) -> None:
        if name == "tt:b":
            make(sim, "tt:c", start=True)
        remove_image(name, force=force)

    monkeypatch.setattr(sim, "remove_image", start_first)
    row = remove(actor_of("bob"), three)
    assert tt(sim) == ["tt:a", "tt:b", "tt:c"]
    assert "is using its referenced image" in row.message
    assert (row.status["removed"], row.status["names"]) == ([], [])


def test_a_name_that_cannot_be_put_back_is_said(three: HostImage, sim: SimulatedDriver, actor_of: Any):
    sim.fail_next("tag_image", EngineError("disk full"), times=1)
    remove_image, calls = sim.remove_image, []

    def fail_second(name: str, *, force: bool = False) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise EngineError("broken")
        remove_image(name, force=force)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim, "remove_image", fail_second)
        row = remove(actor_of("bob"), three)
    assert row.message == "tt:a stays: broken; without the names tt:a"
    assert row.status["names"] == ["tt:a"]


def test_a_container_that_came_after_the_request_keeps_the_image(three: HostImage, sim: SimulatedDriver, actor_of: Any):
    (row,) = images_remove(actor=actor_of("bob"), images=[three])
    make(sim, "tt:a", start=True)
    reconcile_one(row.KIND, row.pk)
    assert tt(sim) == ["tt:a", "tt:b", "tt:c"]


def test_a_name_that_came_after_the_request_keeps_the_image(three: HostImage, sim: SimulatedDriver, actor_of: Any):
    (row,) = images_remove(actor=actor_of("bob"), images=[three])
    sim.tag_image("tt:a", "tt:new")
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.message == "Removed tt:a, tt:b, tt:c. The image stays as tt:new."


def test_only_a_name_of_the_image_itself_can_be_removed(three: HostImage, actor_of: Any):
    with pytest.raises(Invalid, match="does not have the name app:1"):
        images_remove(actor=actor_of("bob"), images=[three], only="app:1")
    assert not ImageRemoval.all_objects.exists()


def test_a_single_name_that_went_to_another_image_is_left_alone(three: HostImage, sim: SimulatedDriver, actor_of: Any):
    (row,) = images_remove(actor=actor_of("bob"), images=[three], only="tt:c")
    sim.tag_image("bb:local", "tt:c")
    reconcile_one(row.KIND, row.pk)
    row.refresh_from_db()
    assert row.message == "tt:c stays: the name that was shown is not its name any more"
    assert tt(sim) == ["tt:a", "tt:b", "tt:c"]
