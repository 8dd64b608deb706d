"""Links in the history of a service: kept at the end of each revision, compared, and gone back to with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.balancer.revisions import changes_between
from apps.stacks.models import Service, ServiceLink
from apps.stacks.revisions import find_revision
from apps.stacks.service_returns import service_return_to
from apps.stacks.services import links_set, service_act, service_create, service_update, stack_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

FAST = UpgradeStrategy(batch_size=3, interval_ms=100)


def config(image: str) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})


@pytest.fixture
def services(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> dict[str, Service]:
    """A service that links to a database, and another database."""
    sim.local_images.add("bb:new")
    bob = actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    made = {
        name: service_create(actor=bob, stack=stack, name=name, config=config("bb:local"), start_on_create=True)
        for name in ("web", "db", "db2")
    }
    links_set(made["web"], [(made["db"], "data")], actor=bob)
    run_loop()
    for row in made.values():
        row.refresh_from_db()
    return made


def links(row: Service) -> dict[str, str]:
    return dict(ServiceLink.objects.filter(service=row).values_list("name", "target__name"))


def test_they_come_back_with_a_revision_long_after_the_upgrade(
    services: dict[str, Service], actor_of: Any, run_loop: Callable[[], None]
) -> None:
    web, bob = services["web"], actor_of("bob")
    service_upgrade(web, actor=bob, config=config("bb:new"), strategy=FAST)
    run_loop()
    service_upgrade_step(Service.all_objects.get(pk=web.pk), "finishupgrade", actor=bob)
    run_loop()
    web = Service.all_objects.get(pk=web.pk)
    links_set(web, [(services["db2"], "data"), (services["db"], "old")], actor=bob)
    said = [(each.field, each.key, each.before, each.after) for each in changes_between(find_revision(web, 1), web)]
    assert ("links", "data", "db", "db2") in said
    assert ("links", "old", "", "db") in said
    service_return_to(web, 1, actor=bob, strategy=FAST)
    assert links(web) == {"data": "db"}
    run_loop()
    web = Service.all_objects.get(pk=web.pk)
    assert (web.config.image, web.revision) == ("bb:local", 3)
    service_upgrade_step(web, "rollback", actor=bob)
    assert links(web) == {"data": "db2", "old": "db"}


def test_a_rollback_brings_back_those_of_before(
    services: dict[str, Service], actor_of: Any, run_loop: Callable[[], None]
) -> None:
    web, bob = services["web"], actor_of("bob")
    service_upgrade(web, actor=bob, config=config("bb:new"), strategy=FAST)
    links_set(web, [], actor=bob)
    run_loop()
    web = Service.all_objects.get(pk=web.pk)
    service_upgrade_step(web, "rollback", actor=bob)
    assert links(web) == {"data": "db"}


def test_links_alone_go_back_without_a_new_container(
    services: dict[str, Service], actor_of: Any, run_loop: Callable[[], None]
) -> None:
    web, bob = services["web"], actor_of("bob")
    for image in ("bb:new", "bb:local"):
        service_upgrade(web, actor=bob, config=config(image), strategy=FAST)
        run_loop()
        service_upgrade_step(Service.all_objects.get(pk=web.pk), "finishupgrade", actor=bob)
        run_loop()
        web = Service.all_objects.get(pk=web.pk)
    with pytest.raises(Invalid, match="already"):
        service_return_to(web, 1, actor=bob, strategy=FAST)
    service_update(web, actor=bob, description="still the same")
    links_set(web, [], actor=bob)
    service_return_to(web, 1, actor=bob, strategy=FAST)
    run_loop()
    web = Service.all_objects.get(pk=web.pk)
    assert (links(web), web.revision, web.display_state) == ({"data": "db"}, 3, "active")


def test_a_link_to_a_service_that_is_gone_stays_away(
    services: dict[str, Service], actor_of: Any, run_loop: Callable[[], None]
) -> None:
    web, bob = services["web"], actor_of("bob")
    service_upgrade(web, actor=bob, config=config("bb:new"), strategy=FAST)
    links_set(web, [], actor=bob)
    service_act(services["db"], "remove", actor=bob)
    run_loop()
    service_upgrade_step(Service.all_objects.get(pk=web.pk), "rollback", actor=bob)
    assert links(web) == {}
