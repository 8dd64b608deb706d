"""Where the new containers of an upgrade cannot start before the old ones stop, and where they can."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import ServiceRevision, Slot, Stack
from apps.stacks.services import service_create, stack_create
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy

FIRST = UpgradeStrategy(start_first=True)
GLOBAL = {"io.rancher.scheduler.global": "true"}
SSD = {"io.rancher.scheduler.affinity:host_label": "disk=ssd"}


def config(*ports: str, **more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "ports": list(ports), **more})


@pytest.fixture
def stack(lab: Environment, actor_of: Any) -> Stack:
    """An empty stack; its environment has three hosts, the first with an SSD."""
    for number in range(3):
        labels = {"disk": "ssd"} if number == 0 else {}
        columns = {"state": "active", "display_state": "active", "desired": "active", "labels": labels}
        Host.all_objects.create(environment=lab, name=f"h{number}", url=f"sim://h{number}", **columns)
    return stack_create(actor=actor_of("bob"), environment=lab, name="shop")


@pytest.mark.parametrize(
    ("scale", "old", "new", "allowed"),
    [
        (2, config("8080:80"), config("8080:80"), True),
        (3, config("8080:80"), config("8080:80"), False),
        (3, config("8080:80"), config("8081:80"), True),
        (3, config(), config("8080:80"), True),
        (3, config("8080:80"), config("8081:80", "8080:81"), False),
        (3, config("8080:80/tcp"), config("8080:80/udp"), True),
        (3, config("80"), config("80"), True),
        (1, config("8080:80", labels=SSD), config("8080:80", labels=SSD), False),
        (1, config("8080:80"), config("8080:80", labels=SSD), False),
        (1, config("8080:80", labels=SSD), config("8080:80"), True),
        (1, config("8080:80", labels=GLOBAL), config("8080:80", labels=GLOBAL), False),
        (1, config("8080:80", labels=GLOBAL), config("8081:80", labels=GLOBAL), True),
    ],
)
def test_a_host_port_that_the_old_ones_hold_needs_one_more_host(
    stack: Stack, actor_of: Any, scale: int, old: LaunchConfig, new: LaunchConfig, *, allowed: bool
) -> None:
    bob = actor_of("bob")
    row = service_create(actor=bob, stack=stack, name="web", config=old, scale=scale)
    if allowed:
        service_upgrade(row, actor=bob, config=new, strategy=FIRST)
        return
    with pytest.raises(Invalid) as refused:
        service_upgrade(row, actor=bob, config=new, strategy=FIRST)
    assert (refused.value.field, refused.value.code) == ("startFirst", "InvalidOption")
    assert "host port 8080 " in refused.value.message
    assert "stop the old ones first" in refused.value.message
    assert ServiceRevision.objects.count() == 1, "nothing half-made"


def test_the_host_that_is_asked_for_is_the_only_one(stack: Stack, actor_of: Any) -> None:
    bob, host = actor_of("bob"), Host.all_objects.get(name="h1")
    asked = config("8080:80", requestedHostId=f"1h{host.pk}")
    row = service_create(actor=bob, stack=stack, name="web", config=asked, scale=1)
    with pytest.raises(Invalid, match="the 1 container to be replaced holds it on the 1 host"):
        service_upgrade(row, actor=bob, config=asked, strategy=FIRST)


def test_as_many_as_fit_count_as_they_are(stack: Stack, actor_of: Any) -> None:
    bob, policy = actor_of("bob"), {"min": 1, "max": 10}
    row = service_create(actor=bob, stack=stack, name="web", config=config("8080:80"), scale_policy=policy)
    for number in (1, 2, 3):
        Slot.objects.create(service=row, number=number)
    with pytest.raises(Invalid, match="the 3 containers to be replaced hold it on the 3 hosts"):
        service_upgrade(row, actor=bob, config=config("8080:80"), strategy=FIRST)
