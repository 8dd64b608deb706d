"""The dialog that has another service take over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.locks import lock_set
from apps.stacks.models import Service, ServiceLink
from apps.stacks.services import link_add, service_create, stack_create


@pytest.fixture
def pair(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> tuple[Service, Service]:
    bob = actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    made = [
        service_create(actor=bob, stack=stack, name=name, config=config, scale=scale, start_on_create=True)
        for name, scale in (("old", 2), ("new", 0), ("user", 1))
    ]
    link_add(made[2], made[0], "back", actor=bob)
    run_loop()
    return made[0], made[1]


def page_of(row: Service) -> str:
    return f"/env/{row.environment_id}/services/{row.pk}/handover"


def sent(target: Service, **more: str) -> dict[str, str]:
    values = {"target": str(target.pk), "finalScale": "3", "batchSize": "2", "interval": "0.5", "updateLinks": "on"}
    return {**values, **more}


def test_it_asks_which_and_starts(pair: tuple[Service, Service], browser_as: Any) -> None:
    old, new = pair
    bob = browser_as("bob")
    shown = bob.get(page_of(old)).content.decode()
    assert "shop/new" in shown
    assert "shop/old" not in shown
    assert bob.post(page_of(old), sent(new)).status_code in {200, 302}
    old.refresh_from_db()
    assert (old.display_state, old.upgrade_target_id) == ("upgrading", new.pk)
    assert (old.upgrade["finalScale"], old.upgrade["batchSize"], old.upgrade["intervalMillis"]) == (3, 2, 500)
    assert ServiceLink.objects.get(name="back").target_id == new.pk


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spec": {"labels": {"io.rancher.scheduler.global": "true"}}}, "it has one container on each host"),
        ({"spec": {"labels": {"io.rancher.container.start_once": "true"}}}, "its containers run once"),
        ({"schedule": {"cron": "0 0 3 * * *"}}, "it has a schedule"),
        ({"scale_policy": {"min": 1, "max": 2, "increment": 1}}, "as many containers as fit"),
        ({"state": "upgraded"}, "wait, or finish that first"),
        ({"kind": "externalService"}, "cannot be stepped up or down"),
    ],
)
def test_only_services_that_are_accepted_are_offered(
    pair: tuple[Service, Service], browser_as: Any, change: dict[str, Any], reason: str
) -> None:
    old, new = pair
    for name, value in change.items():
        setattr(new, name, {**new.spec, **value} if name == "spec" else value)
    new.save()
    bob = browser_as("bob")
    shown = bob.get(page_of(old)).content.decode()
    assert "shop/user" in shown
    assert "shop/new" not in shown
    answer = bob.post(page_of(old), sent(new))
    assert answer.status_code == 422
    assert reason in answer.content.decode()


def test_a_locked_service_and_one_that_is_taken_are_not_offered(
    pair: tuple[Service, Service], browser_as: Any, actor_of: Any
) -> None:
    old, new = pair
    lock = lock_set(new, "", actor=actor_of("alice"))
    assert "shop/new" not in browser_as("bob").get(page_of(old)).content.decode()
    lock.delete()
    user = Service.all_objects.get(name="user")
    Service.all_objects.filter(pk=user.pk).update(upgrade_target=new)
    assert "shop/new" not in browser_as("bob").get(page_of(old)).content.decode()


def test_without_a_service_to_choose_the_dialog_says_what_to_do(pair: tuple[Service, Service], browser_as: Any) -> None:
    old, _new = pair
    Service.all_objects.exclude(pk=old.pk).update(state="upgraded")
    assert "Add one with a scale of 0 first." in browser_as("bob").get(page_of(old)).content.decode()
    Service.all_objects.filter(pk=old.pk).update(desired="inactive", state="inactive")
    assert "has nothing to hand over" in browser_as("bob").get(page_of(old)).content.decode()


def test_links_stay_where_they_are_unless_asked(pair: tuple[Service, Service], browser_as: Any) -> None:
    old, new = pair
    browser_as("bob").post(page_of(old), sent(new, updateLinks=""))
    assert ServiceLink.objects.get(name="back").target_id == old.pk


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"target": ""}, "Choose the service that takes over"),
        ({"target": "99999999"}, "Choose the service that takes over"),
        ({"finalScale": "many"}, "how many containers it has in the end"),
        ({"finalScale": "0"}, "at least 1"),
        ({"finalScale": "1001"}, "cannot be above 1000"),
        ({"batchSize": "0"}, "batchSize is at least 1"),
        ({"interval": "0"}, "from 0.1 to 86400 seconds"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    pair: tuple[Service, Service], browser_as: Any, more: dict[str, str], message: str
) -> None:
    old, new = pair
    answer = browser_as("bob").post(page_of(old), sent(new) | more)
    assert answer.status_code == 422
    assert message in answer.content.decode()
    old.refresh_from_db()
    assert old.display_state == "active"


def test_readers_may_not_and_the_upgrade_page_leads_there(pair: tuple[Service, Service], browser_as: Any) -> None:
    old, new = pair
    assert browser_as("rita").get(page_of(old)).status_code == 403
    browser_as("rita").post(page_of(old), sent(new))
    old.refresh_from_db()
    assert old.display_state == "active"
    upgrade = browser_as("bob").get(page_of(old).replace("handover", "upgrade")).content.decode()
    assert page_of(old) in upgrade
