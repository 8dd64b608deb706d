"""What a container is called on its engine: its own name, behind the prefix that the installation has set."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create, container_update
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.defaults import DEFAULTS
from apps.core.errors import Invalid
from apps.core.services import setting_reset, setting_write
from apps.drivers.base import CreateRequest, EngineConflict
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

PREFIX = "container.name.prefix"


@pytest.fixture
def make(lab: Environment, host: Host, actor_of: Any) -> Any:
    """A container that runs."""

    def run(name: str = "web") -> Container:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
        row = container_create(actor=actor_of("alice"), environment=lab, config=config, name=name)
        reconcile_until_idle()
        return Container.all_objects.get(pk=row.pk)

    return run


@pytest.fixture
def prefixed(actor_of: Any, host: Host) -> None:
    """Scripts of Rancher's users say `docker exec r-...`."""
    setting_write(PREFIX, "r-", actor=actor_of("root"))


def names(sim: SimulatedDriver) -> list[str]:
    return sorted(seen.name for seen in sim.containers())


@pytest.mark.usefixtures("prefixed")
def test_containers_get_the_prefix_of_the_setting(make: Any, sim: SimulatedDriver) -> None:
    row = make()
    assert (row.name, names(sim)) == ("web", ["r-web"])


def test_a_name_that_is_given_up_while_the_engine_refuses_it_is_used_after_all(
    make: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refusals = SimulatedDriver.create, [EngineConflict("The name is in use.")]

    def create(driver: SimulatedDriver, request: CreateRequest) -> str:
        if refusals:
            raise refusals.pop()
        return real(driver, request)

    monkeypatch.setattr(SimulatedDriver, "create", create)
    row = make()
    assert (row.message, names(sim)) == ("Waits for the earlier web to go.", [])
    Container.all_objects.update(next_attempt_at=row.created)
    reconcile_until_idle()
    assert names(sim) == ["web"]


@pytest.mark.usefixtures("prefixed")
def test_a_prefixed_name_that_is_taken_is_lengthened(make: Any, sim: SimulatedDriver) -> None:
    sim.create(CreateRequest("r-web", {"Image": "bb:local"}))
    row = make()
    assert names(sim) == ["r-web", f"r-web_{str(row.uuid)[:8]}"]


@pytest.mark.usefixtures("prefixed")
def test_the_prefix_stays_and_a_new_name_comes_behind_it(make: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    row = make()
    sim.rename("r-web", "other")
    reconcile_one("container", row.pk)
    assert names(sim) == ["r-web"]
    container_update(row, actor=actor_of("alice"), name="shop")
    reconcile_until_idle()
    assert names(sim) == ["r-shop"]


@pytest.mark.usefixtures("prefixed")
def test_what_is_there_keeps_its_name_when_the_setting_changes(make: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    before = make()
    setting_reset(PREFIX, actor=actor_of("root"))
    make("db")
    reconcile_one("container", before.pk)
    assert names(sim) == ["db", "r-web"]


@pytest.mark.parametrize("value", ["-r", "a b", "r/", "é", "x" * 21])
def test_what_no_engine_takes_in_a_name_is_refused(value: str) -> None:
    with pytest.raises(Invalid):
        DEFAULTS[PREFIX].check(value)
