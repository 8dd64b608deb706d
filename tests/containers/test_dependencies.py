"""Containers that take another one's volumes or network: on its host, after it, and refused where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.models import Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import Invalid
from apps.drivers import registry
from apps.drivers.base import Endpoint, EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create

Create = Callable[..., Container]
FIELDS = [("dataVolumesFrom", True), ("networkContainerId", False)]


def config_of(**fields: Any) -> LaunchConfig:
    extra = {"networkMode": "container"} if "networkContainerId" in fields else {}
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **extra, **fields})


@pytest.fixture
def hosts(host: Host, lab: Environment, run_loop: Callable[[], None]) -> Iterator[list[Host]]:
    """Three hosts, whose engines are as new."""
    for name in ("lab2", "lab3", "far"):
        registry.discard_driver(Endpoint(f"sim://{name}"))
    others = [host_create(actor=None, environment=lab, url=f"sim://lab{n}", name=f"h{n}") for n in (2, 3)]
    run_loop()
    yield [host, *others]
    for name in ("lab3", "far"):
        registry.discard_driver(Endpoint(f"sim://{name}"))


@pytest.fixture
def create(lab: Environment, actor_of: Any) -> Create:
    """Bob creates a container, and nothing is done yet."""
    return lambda name, **fields: container_create(
        actor=actor_of("bob"), environment=lab, config=config_of(**fields), name=name
    )


def depending_on(field: str, is_list: bool, row: Container) -> dict[str, Any]:
    return {field: [f"1i{row.pk}"] if is_list else f"1i{row.pk}"}


def states() -> dict[str, str]:
    return {row.name: row.display_state for row in Container.all_objects.all()}


@pytest.mark.parametrize(("field", "is_list"), FIELDS)
def test_they_go_to_the_host_of_what_they_depend_on(
    field: str, is_list: bool, hosts: list[Host], create: Create, run_loop: Callable[[], None]
) -> None:
    for number in range(6):
        base = create(f"base{number}")
        for copy in "ab":  # requested in the same moment: neither is placed yet
            create(f"leaf{number}{copy}", **depending_on(field, is_list, base))
    for _ in range(4):
        Container.all_objects.exclude(next_attempt_at=None).update(next_attempt_at="2020-01-01T00:00:00Z")
        run_loop()
    assert set(states().values()) == {"running"}
    placed = {row.name: row.host_id for row in Container.all_objects.all()}
    assert all(host == placed[f"base{name[4]}"] for name, host in placed.items())
    assert len(set(placed.values())) == 3


def test_two_that_are_on_different_hosts_cannot_both_be_had(
    hosts: list[Host], create: Create, run_loop: Callable[[], None]
) -> None:
    first = create("one", requestedHostId=f"1h{hosts[0].pk}")
    second = create("two", requestedHostId=f"1h{hosts[1].pk}")
    run_loop()
    leaf = create("leaf", dataVolumesFrom=[f"1i{first.pk}", f"1i{second.pk}"])
    for _ in range(2):
        reconcile_one("container", leaf.pk)
    leaf.refresh_from_db()
    assert (leaf.display_state, leaf.transitioning) == ("error", "error")
    assert "which it depends on, is on another host" in leaf.message


@pytest.mark.parametrize(("field", "is_list"), FIELDS)
def test_what_fails_or_goes_is_told_and_nothing_disappears(
    field: str, is_list: bool, host: Host, sim: SimulatedDriver, create: Create, run_loop: Any, actor_of: Any
) -> None:
    sim.fail_next("create", EngineRefused("bad"))
    base = create("base")
    run_loop()
    leaf = create("leaf", **depending_on(field, is_list, base))
    run_loop()
    leaf.refresh_from_db()
    assert states() == {"base": "error", "leaf": "error"}
    assert leaf.message == "base, whose volumes or network it takes, failed: bad"
    for row in (base, leaf):
        reconcile_one("container", row.pk)
    assert states() == {"base": "error", "leaf": "error"}  # what was never made is not "removed on the host"
    leaf.refresh_from_db()
    assert "failed: bad" in leaf.message
    base.refresh_from_db()
    container_act(base, "remove", actor=actor_of("bob"))
    run_loop()
    container_act(leaf, "start", actor=actor_of("bob"))
    run_loop()
    leaf.refresh_from_db()
    assert (leaf.display_state, leaf.message) == (
        "error",
        f"The container 1i{base.pk} whose volumes or network it takes was removed.",
    )


def test_one_whose_peer_was_removed_before_it_had_a_host_ends_in_error(
    lab: Environment, create: Create, actor_of: Any, sim: SimulatedDriver
) -> None:
    base = create("base")
    leaf = create("leaf", dataVolumesFrom=[f"1i{base.pk}"])
    reconcile_one("container", leaf.pk)
    leaf.refresh_from_db()
    assert leaf.message == "Waits for base, whose volumes or network it takes, to have a host."
    container_act(base, "remove", actor=actor_of("bob"))
    for _ in range(2):
        reconcile_one("container", leaf.pk)
    leaf.refresh_from_db()
    assert (leaf.display_state, leaf.removed) == ("error", None)
    assert "is gone" in leaf.message


def test_without_a_fitting_host_it_ends_in_error_and_heals_when_there_is_one(
    lab: Environment, sim: SimulatedDriver, create: Create, run_loop: Callable[[], None], actor_of: Any
) -> None:
    row = create("web")
    for _ in range(2):
        reconcile_one("container", row.pk)
    row.refresh_from_db()
    assert (row.display_state, row.transitioning) == ("error", "error")
    assert row.message == "Scheduling failed: there is no host; add one"
    assert Operation.all_objects.get(kind="container").state == "failed"
    added = host_create(actor=None, environment=lab, url="sim://lab", name="h1")
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, row.transitioning, row.host) == ("running", "no", added)
    assert Operation.all_objects.get(kind="container").state == "succeeded"


@pytest.mark.parametrize("gone", ["1h999", "foreign", "removed", "x"])
def test_a_host_that_is_not_here_is_refused_for_services_too(
    gone: str, hosts: list[Host], lab: Environment, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    if gone == "foreign":
        far = environment_create(actor=actor_of("mallory"), name="Far")
        gone = f"1h{host_create(actor=None, environment=far, url='sim://far').pk}"
    elif gone == "removed":
        for action in ("deactivate", "remove"):
            hosts[2].refresh_from_db()
            host_act(hosts[2], action, actor=actor_of("alice"))
            run_loop()
        gone = f"1h{hosts[2].pk}"
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    with pytest.raises(Invalid) as refused:
        service_create(actor=actor_of("bob"), stack=stack, name="web", config=config_of(requestedHostId=gone))
    assert (refused.value.field, refused.value.code) == ("launchConfig.requestedHostId", "InvalidReference")
    for field, value in (("dataVolumesFrom", ["1i999"]), ("networkContainerId", "1i999")):
        with pytest.raises(Invalid) as refused:
            service_create(actor=actor_of("bob"), stack=stack, name="web", config=config_of(**{field: value}))
        assert refused.value.field == f"launchConfig.{field}"
    assert not Service.all_objects.exists()


def test_a_service_goes_to_the_host_that_it_asks_for(
    hosts: list[Host], lab: Environment, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = config_of(requestedHostId=f"1h{hosts[1].pk}")
    service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, scale=3, start_on_create=True)
    run_loop()
    assert set(Container.all_objects.values_list("host", "state")) == {(hosts[1].pk, "running")}
    assert len(simulated_engine("lab2").containers()) == 3


@pytest.mark.parametrize("label", ["io.corral.system", "io.corral.environment", "IO.Corral.x"])
def test_corrals_own_labels_are_nobodys(
    label: str, host: Host, create: Create, lab: Environment, actor_of: Any
) -> None:
    with pytest.raises(Invalid) as refused:
        create("web", labels={label: "1", "mine": "2"})
    assert (refused.value.field, refused.value.code) == ("labels", "PolicyViolation")
    assert label in refused.value.message
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    with pytest.raises(Invalid, match=label):
        service_create(actor=actor_of("bob"), stack=stack, name="web", config=config_of(labels={label: "1"}))


def test_the_label_for_lost_hosts_is_everybodys(host: Host, create: Create) -> None:
    assert create("web", labels={"io.corral.lost_host": "wait", "io.corralx": "1"}).pk
