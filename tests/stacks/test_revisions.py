"""The history of a service: who made which revision, what ran, and the way back to any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.errors import Forbidden, Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.service_returns import service_return_to
from apps.stacks.services import service_create, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

FAST = UpgradeStrategy(batch_size=3, interval_ms=100)


def config(image: str, **more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}", **more})


@pytest.fixture
def web(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    """A running service of two containers."""
    sim.local_images.add("bb:new")
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    made = config("bb:local", labels={"tier": "front"})
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=made, scale=2, start_on_create=True)
    run_loop()
    row.refresh_from_db()
    return row


def running(row: Service) -> list[tuple[str, Any]]:
    found = Container.all_objects.filter(spread_key=str(row.uuid), display_state="running").order_by("pk")
    return [(each.image, each.spec.get("labels")) for each in found]


def test_the_first_revision_is_there_from_the_start_with_the_image_that_ran(web: Service, actor_of: Any) -> None:
    (first,) = ServiceRevision.objects.filter(service=web)
    assert (first.number, first.account, first.image) == (1, actor_of("bob").user, "bb:local")
    assert first.via == actor_of("bob").via
    assert {first.image_id} == {each.status["image_id"] for each in Container.all_objects.all()}
    assert first.image_id.startswith("sha256:")


def test_a_compose_file_makes_first_revisions_too(lab: Environment, actor_of: Any) -> None:
    stack_create(actor=actor_of("bob"), environment=lab, name="two", docker_compose="a: {image: bb}\nb: {image: bb}\n")
    found = ServiceRevision.objects.order_by("service__name").values_list("service__name", "number", "via")
    assert list(found) == [("a", 1, "compose"), ("b", 1, "compose")]


def test_first_revisions_keep_sidekicks_however_the_service_is_made(lab: Environment, actor_of: Any) -> None:
    labels = "labels: {io.rancher.sidekicks: log}"
    text = f"web: {{image: bb, {labels}}}\nlog: {{image: bb:log, net: 'container:web'}}\n"
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="two", docker_compose=text)
    unit = UnitConfig(config("bb"), (Sidekick("tail", config("bb:tail")),))
    service_create(actor=actor_of("bob"), stack=stack, name="api", config=unit)
    found = {each.service.name: each for each in ServiceRevision.objects.select_related("service")}
    assert {name: [each.config.image for each in row.sidekicks] for name, row in found.items()} == {
        "web": ["bb:log"],
        "api": ["bb:tail"],
    }
    assert all(row.sidekicks == row.service.sidekicks for row in found.values())


def test_a_canceled_upgrade_does_not_note_the_old_image_for_the_new_revision(
    web: Service, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    absent, slow = config("bb:absent"), UpgradeStrategy(interval_ms=60_000)
    service_upgrade(web, actor=actor_of("bob"), config=absent, strategy=slow)
    service_upgrade_step(web, "cancelupgrade", actor=actor_of("bob"))
    run_loop()
    web.refresh_from_db()
    assert (web.display_state, {image for image, _labels in running(web)}) == ("canceled-upgrade", {"bb:local"})
    known = dict(ServiceRevision.objects.filter(service=web).values_list("number", "image_id"))
    assert known[1].startswith("sha256:")
    assert known[2] == ""


def test_back_to_a_revision_long_after_the_upgrade_was_finished(
    web: Service, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    bob = actor_of("bob")
    for image in ("bb:new", "bb:local"):
        web.refresh_from_db()
        service_upgrade(web, actor=bob, config=config(image), strategy=FAST, note=f"to {image}")
        run_loop()
        web.refresh_from_db()
        service_upgrade_step(web, "finishupgrade", actor=bob)
        run_loop()
    web.refresh_from_db()
    service_return_to(web, 1, actor=bob, strategy=FAST)
    assert (web.display_state, web.revision) == ("upgrading", 4)
    run_loop()
    web.refresh_from_db()
    assert web.display_state == "upgraded"
    assert running(web) == [("bb:local", {"tier": "front"})] * 2
    service_upgrade_step(web, "finishupgrade", actor=bob)
    run_loop()
    found = ServiceRevision.objects.filter(service=web).values_list("number", "image", "note")
    assert list(found) == [
        (4, "bb:local", "Back to revision 1"),
        (3, "bb:local", "to bb:local"),
        (2, "bb:new", "to bb:new"),
        (1, "bb:local", ""),
    ]
    assert ServiceRevision.objects.get(service=web, number=4).spec == ServiceRevision.objects.get(number=1).spec


@pytest.mark.parametrize(
    ("number", "code"),
    [(9, "InvalidReference"), (0, "InvalidReference"), (10**12, "InvalidReference"), (1, "InvalidOption")],
)
def test_what_is_no_way_back_is_refused(web: Service, actor_of: Any, number: int, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        service_return_to(web, number, actor=actor_of("bob"), strategy=FAST)
    assert (refused.value.field, refused.value.code) == ("revision", code)
    assert ServiceRevision.objects.filter(service=web).count() == 1


def test_readers_may_not(web: Service, actor_of: Any, run_loop: Callable[[], None]) -> None:
    service_upgrade(web, actor=actor_of("bob"), config=config("bb:new"), strategy=FAST)
    run_loop()
    web.refresh_from_db()
    service_upgrade_step(web, "finishupgrade", actor=actor_of("bob"))
    run_loop()
    web.refresh_from_db()
    with pytest.raises(Forbidden):
        service_return_to(web, 1, actor=actor_of("rita"), strategy=FAST)


@pytest.mark.parametrize(("note", "code"), [("x" * 501, "MaxLengthExceeded"), ("a\0b", "InvalidCharacters")])
def test_a_note_has_limits(web: Service, actor_of: Any, note: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        service_upgrade(web, actor=actor_of("bob"), config=config("bb:new"), strategy=FAST, note=note)
    assert (refused.value.field, refused.value.code) == ("note", code)
    assert web.display_state == "active"
