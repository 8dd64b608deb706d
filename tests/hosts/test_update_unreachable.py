"""A host that is changed while it cannot take containers does not appear to be able to."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.control.reconcile import reconcile_one
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.lifecycle import HOST
from apps.hosts.models import Host
from apps.hosts.services import host_update


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


@pytest.mark.parametrize(
    ("state", "meanwhile"),
    [
        ("active", "updating-active"),
        ("updating-active", "updating-active"),
        ("inactive", "updating-inactive"),
        ("updating-inactive", "updating-inactive"),
        ("reconnecting", "updating-inactive"),
        ("disconnected", "updating-inactive"),
        ("registering", "updating-inactive"),
        ("error", "updating-inactive"),
    ],
)
def test_only_a_host_at_work_is_updated_as_one(state: str, meanwhile: str) -> None:
    assert HOST.allows("update", state)
    assert HOST.transitions["update"].transition_state_from(state) == meanwhile
    assert meanwhile in HOST.transitional


def test_a_lost_host_takes_nothing_while_it_is_updated(
    host: Host, lab: Environment, sim: SimulatedDriver, actor_of: Any, run_loop: Any
) -> None:
    sim.down = True
    reconcile_one("host", host.pk)
    assert reload(host).display_state == "reconnecting"
    host_update(reload(host), actor=actor_of("alice"), labels={"zone": "a"})
    assert (reload(host).display_state, reload(host).is_unreachable) == ("updating-inactive", True)
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    box = container_create(actor=actor_of("alice"), environment=lab, config=config, name="box")
    reconcile_one("container", box.pk)
    held = Container.all_objects.get(pk=box.pk)
    assert held.host_id is None
    assert "the host is updating-inactive" in held.message
    reconcile_one("host", host.pk)
    assert (reload(host).display_state, reload(host).all_labels["zone"]) == ("reconnecting", "a")
    sim.down = False
    reconcile_one("host", host.pk)
    reconcile_one("container", box.pk)
    run_loop()
    assert (reload(host).display_state, reload(host).is_unreachable, reload(held).host_id) == ("active", False, host.pk)


def test_a_host_at_work_goes_on_taking_containers_while_it_is_updated(
    host: Host, lab: Environment, actor_of: Any
) -> None:
    host_update(reload(host), actor=actor_of("alice"), labels={"zone": "a"})
    assert reload(host).display_state == "updating-active"
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    box = container_create(actor=actor_of("alice"), environment=lab, config=config, name="box")
    reconcile_one("container", box.pk)
    assert Container.all_objects.get(pk=box.pk).host_id == host.pk
