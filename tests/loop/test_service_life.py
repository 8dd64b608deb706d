"""A service keeps its scale: up, down, healed, replaced, switched off and removed, on the engine in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.models import Operation
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import Forbidden, Invalid
from apps.drivers.base import EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.selectors import service_events
from apps.stacks.services import (
    service_act,
    service_create,
    service_update,
    stack_create,
)
from apps.stacks.stack_upgrade import stack_act


@pytest.fixture(autouse=True)
def _loop(run_loop: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "reconcile_until_idle", run_loop)


@pytest.fixture
def stack(lab: Environment, host: Host, actor_of: Any) -> Stack:
    row = stack_create(actor=actor_of("alice"), environment=lab, name="WEB-Server")
    reconcile_until_idle()
    return Stack.all_objects.get(pk=row.pk)


@pytest.fixture
def serve(stack: Stack, actor_of: Any) -> Callable[..., Service]:
    """An active service, at rest."""

    def make(name: str = "web", scale: int = 3, **fields: Any) -> Service:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})
        actor = actor_of("bob")
        row = service_create(actor=actor, stack=stack, name=name, config=config, scale=scale, start_on_create=True)
        reconcile_until_idle()
        return reload(row)

    return make


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def running(sim: SimulatedDriver) -> list[str]:
    return sorted(seen.name for seen in sim.containers() if seen.state == "running")


def names(service: Service) -> list[str]:
    slots = Slot.objects.filter(service=service, container__removed=None)
    return sorted(slot.container.name for slot in slots if slot.container)


def test_a_new_service_is_registering_and_then_runs_at_its_scale(serve: Any, sim: SimulatedDriver) -> None:
    service = serve(scale=10)
    assert (service.display_state, service.transitioning, service.status["health"]) == ("active", "no", "healthy")
    assert running(sim) == sorted(f"WEB-Server_web_{n}" for n in range(1, 11))


def test_one_that_is_not_started_has_no_containers(stack: Stack, actor_of: Any, sim: SimulatedDriver) -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = service_create(actor=actor_of("bob"), stack=stack, name="idle", config=config, scale=2)
    assert row.display_state == "registering"
    reconcile_until_idle()
    assert (reload(row).display_state, running(sim)) == ("inactive", [])


def test_scaling_down_drops_the_highest_numbers_and_up_uses_them_again(
    serve: Any, sim: SimulatedDriver, actor_of: Any
) -> None:
    service = serve(scale=5)
    service_update(service, actor=actor_of("bob"), scale=2)
    assert reload(service).display_state == "updating-active"
    reconcile_until_idle()
    assert running(sim) == ["WEB-Server_web_1", "WEB-Server_web_2"]
    service_update(reload(service), actor=actor_of("bob"), scale=4)
    reconcile_until_idle()
    assert running(sim) == [f"WEB-Server_web_{n}" for n in range(1, 5)]
    assert reload(service).display_state == "active"


def test_a_killed_container_is_started_again(serve: Any, sim: SimulatedDriver) -> None:
    serve(scale=2)
    sim.kill("WEB-Server_web_1")
    key = Container.all_objects.get(name="WEB-Server_web_1").pk
    reconcile_one("container", key)
    assert len(running(sim)) == 2
    assert Container.all_objects.get(pk=key).start_count == 2


def test_a_container_removed_on_the_engine_comes_back_under_its_name(serve: Any, sim: SimulatedDriver) -> None:
    serve(scale=2)
    row = Container.all_objects.get(name="WEB-Server_web_1")
    sim.remove("WEB-Server_web_1")
    reconcile_one("container", row.pk)
    assert running(sim) == ["WEB-Server_web_1", "WEB-Server_web_2"]
    assert reload(row).external_id != row.external_id


def test_the_scan_finds_what_no_event_reported(
    serve: Any, sim: SimulatedDriver, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(scale=2)
    sim.kill("WEB-Server_web_1")
    sim.remove("WEB-Server_web_2")
    enqueued: list[tuple[str, int]] = []
    monkeypatch.setattr("apps.containers.watch.enqueue", lambda kind, key, after=0: enqueued.append((kind, key)))
    reconcile_one("host", host.pk)
    assert sorted(enqueued) == [("container", row.pk) for row in Container.all_objects.order_by("pk")]


def test_one_removed_in_the_portal_is_replaced_on_another_host(
    serve: Any, sim: SimulatedDriver, actor_of: Any, lab: Environment, host: Host
) -> None:
    service = serve(scale=1)
    second = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    before = Container.all_objects.get(name="WEB-Server_web_1")
    container_act(before, "remove", actor=actor_of("bob"))
    reconcile_until_idle()
    reconcile_one("service", service.pk)
    reconcile_until_idle()
    after = Slot.objects.get(service=service).container
    assert after is not None
    assert (after.pk != before.pk, after.name, after.host_id) == (True, "WEB-Server_web_1", second.pk)
    assert reload(service).display_state == "active"


def test_containers_spread_over_the_hosts(serve: Any, sim: SimulatedDriver, lab: Environment, host: Host) -> None:
    other = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    serve(scale=6)
    counts = [Container.all_objects.filter(host=row, removed=None).count() for row in (host, other)]
    assert counts == [3, 3]


def test_deactivate_stops_and_activate_starts_the_same_containers(
    serve: Any, sim: SimulatedDriver, actor_of: Any
) -> None:
    service = serve(scale=2)
    ids = sorted(seen.id for seen in sim.containers())
    service_act(service, "deactivate", actor=actor_of("rex"))
    assert reload(service).display_state == "deactivating"
    reconcile_until_idle()
    assert (reload(service).display_state, running(sim)) == ("inactive", [])
    service_act(reload(service), "activate", actor=actor_of("rex"))
    reconcile_until_idle()
    assert (reload(service).display_state, sorted(seen.id for seen in sim.containers())) == ("active", ids)
    assert len(running(sim)) == 2


def test_a_removed_service_takes_its_containers_along(serve: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    service = serve(scale=3)
    service_act(service, "remove", actor=actor_of("alice"))
    reconcile_until_idle()
    reconcile_one("service", service.pk)
    assert (reload(service).display_state, sim.containers(), Slot.objects.count()) == ("removed", [], 0)


def test_a_removed_stack_takes_its_services_along(
    serve: Any, stack: Stack, sim: SimulatedDriver, actor_of: Any
) -> None:
    first, second = serve("one"), serve("two")
    stack_act(stack, "remove", actor=actor_of("alice"))
    reconcile_until_idle()
    for _ in range(3):
        for kind, row in (("service", first), ("service", second), ("stack", stack)):
            reconcile_one(kind, row.pk)
    assert (reload(stack).display_state, sim.containers()) == ("removed", [])


def test_a_stack_on_its_way_out_takes_no_new_service(stack: Stack, actor_of: Any) -> None:
    stack_act(stack, "remove", actor=actor_of("alice"))
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    with pytest.raises(Invalid) as caught:
        service_create(actor=actor_of("alice"), stack=reload(stack), name="late", config=config)
    assert caught.value.code == "InvalidState"


def test_a_failing_container_shows_its_reason_on_the_service(serve: Any, sim: SimulatedDriver) -> None:
    sim.fail_next("create", EngineRefused("bad device"), times=6)
    service = serve(scale=1)
    row = Container.all_objects.get()
    reconcile_one("container", row.pk)
    reconcile_one("service", service.pk)
    service = reload(service)
    assert (service.transitioning, service.message) == ("error", "WEB-Server_web_1: bad device")
    for _ in range(6):
        reconcile_one("container", row.pk)
    reconcile_one("service", service.pk)
    assert (reload(service).display_state, reload(service).transitioning) == ("active", "no")


def test_one_that_dies_young_is_started_less_and_less_often(serve: Any, sim: SimulatedDriver) -> None:
    serve(scale=1)
    row = Container.all_objects.get()
    sim.crash("WEB-Server_web_1", 1)
    reconcile_one("container", row.pk)
    assert reload(row).display_state == "running"
    sim.crash("WEB-Server_web_1", 1)
    reconcile_one("container", row.pk)
    row = reload(row)
    assert (row.display_state, row.status["crashes"]) == ("restarting", 1)
    assert row.message.startswith("Keeps crashing (exit code 1); restarts in")


def test_a_start_once_container_may_end(serve: Any, sim: SimulatedDriver) -> None:
    serve(scale=1, labels={"io.rancher.container.start_once": "true"})
    sim.crash("WEB-Server_web_1", 0)
    row = Container.all_objects.get()
    reconcile_one("container", row.pk)
    assert (reload(row).display_state, running(sim)) == ("stopped", [])
    reconcile_one("service", Service.all_objects.get().pk)
    assert (running(sim), Service.all_objects.get().status["health"]) == ([], "completed")


@pytest.mark.parametrize(
    "said", [{"labels": {"io.rancher.container.start_once": "true"}}, {"restartPolicy": {"name": "no"}}]
)
def test_a_job_that_somebody_stops_is_not_started_again_until_somebody_starts_it(
    said: Any, serve: Any, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    service = serve(scale=1, **said)
    row = Container.all_objects.get()
    container_act(row, "stop", actor=actor_of("bob"))
    run_loop()
    reconcile_one("service", service.pk)
    run_loop()
    row, service = reload(row), reload(service)
    assert (row.display_state, row.start_count, row.final_exit_code is None) == ("stopped", 1, False)
    assert (running(sim), service.display_state) == ([], "active")
    container_act(row, "start", actor=actor_of("bob"))
    run_loop()
    assert (reload(row).display_state, reload(row).final_exit_code) == ("running", None)


def test_a_job_that_stops_with_its_service_goes_on_with_it(
    serve: Any, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    service = serve(scale=1, labels={"io.rancher.container.start_once": "true"})
    service_act(service, "deactivate", actor=actor_of("bob"))
    run_loop()
    assert running(sim) == []
    service_act(reload(service), "activate", actor=actor_of("bob"))
    run_loop()
    assert running(sim) == ["WEB-Server_web_1"]


def test_children_are_recorded_under_the_operation_that_caused_them(serve: Any) -> None:
    service = serve(scale=2)
    parent = Operation.all_objects.get(kind="service", target=service.pk)
    children = Operation.all_objects.filter(parent=parent)
    assert [child.name for child in children] == ["container.create", "container.create"]


def test_a_reconcile_of_an_in_sync_service_does_nothing(serve: Any, sim: SimulatedDriver) -> None:
    service = serve(scale=2)
    calls = sum(sim.calls.values())
    reconcile_one("service", service.pk)
    assert (sum(sim.calls.values()), reload(service).display_state) == (calls, "active")


@pytest.mark.parametrize(
    ("scale", "code"), [(-1, "MinLimitExceeded"), (10**6, "MaxLimitExceeded"), ("3", "InvalidFormat")]
)
def test_a_bad_scale_is_refused(scale: Any, code: str, serve: Any, actor_of: Any) -> None:
    service = serve(scale=1)
    with pytest.raises(Invalid) as caught:
        service_update(service, actor=actor_of("bob"), scale=scale)
    assert (caught.value.field, caught.value.code) == ("scale", code)


@pytest.mark.parametrize("name", ["", "a_b", "-a", "a-", "x" * 64, "web"])
def test_a_bad_or_taken_name_is_refused(name: str, serve: Any, stack: Stack, actor_of: Any) -> None:
    serve("web", scale=0)
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    with pytest.raises(Invalid):
        service_create(actor=actor_of("alice"), stack=stack, name=name, config=config)
    assert Service.all_objects.count() == 1


def test_a_readonly_member_may_not_scale(serve: Any, actor_of: Any) -> None:
    service = serve(scale=1)
    with pytest.raises(Forbidden):
        service_update(service, actor=actor_of("rita"), scale=2)
    assert reload(service).scale == 1


def crash(sim: SimulatedDriver, name: str, times: int = 2) -> Container:
    """The container after it crashed so often, each time right after its start."""
    for _ in range(times):
        sim.crash(name, 137)
        reconcile_one("container", Container.all_objects.get(name=name).pk)
    found: Container = Container.all_objects.get(name=name)
    return found


def test_a_service_that_keeps_crashing_is_unhealthy_and_so_is_its_stack(serve: Any, sim: SimulatedDriver) -> None:
    service = serve(scale=1)
    crash(sim, "WEB-Server_web_1")
    reconcile_one("service", service.pk)
    reconcile_one("stack", service.stack_id)
    service = reload(service)
    assert (service.display_state, service.status["health"], service.status["running"]) == ("active", "unhealthy", 0)
    assert service.message.startswith("WEB-Server_web_1: Keeps crashing (exit code 137); restarts in")
    assert reload(service.stack).status["health"] == "unhealthy"


def test_one_of_two_that_crashes_makes_it_degraded(serve: Any, sim: SimulatedDriver) -> None:
    service = serve(scale=2)
    crash(sim, "WEB-Server_web_1")
    reconcile_one("service", service.pk)
    assert reload(service).status["health"] == "degraded"


def test_a_failing_health_check_is_told_by_the_service(serve: Any, sim: SimulatedDriver) -> None:
    service = serve(scale=1)
    sim.health("WEB-Server_web_1", "unhealthy")
    row = Container.all_objects.get()
    reconcile_one("container", row.pk)
    reconcile_one("service", service.pk)
    service = reload(service)
    assert (service.display_state, service.status["health"]) == ("active", "unhealthy")
    assert service.message == "WEB-Server_web_1: Its health check fails."


def test_a_stack_of_stopped_services_is_stopped(serve: Any, actor_of: Any) -> None:
    service = serve(scale=1)
    assert reload(service.stack).status["health"] == "healthy"
    service_act(service, "deactivate", actor=actor_of("bob"))
    reconcile_until_idle()
    assert reload(service.stack).status["health"] == "stopped"
    service_act(reload(service), "activate", actor=actor_of("bob"))
    reconcile_until_idle()
    assert reload(service.stack).status["health"] == "healthy"


def test_a_service_of_jobs_is_completed_and_none_is_run_again(serve: Any, sim: SimulatedDriver) -> None:
    service = serve(scale=2, restartPolicy={"name": "no"})
    for name in running(sim):
        sim.crash(name, 0)
        reconcile_one("container", Container.all_objects.get(name=name).pk)
    for _ in range(3):
        reconcile_one("service", service.pk)
    service = reload(service)
    assert (service.display_state, service.status["health"], service.transitioning) == ("active", "completed", "no")
    assert (running(sim), len(sim.containers())) == ([], 2)


def test_a_failed_job_makes_its_service_unhealthy_and_names_the_exit_code(serve: Any, sim: SimulatedDriver) -> None:
    service = serve(scale=1, restartPolicy={"name": "no"})
    sim.crash("WEB-Server_web_1", 3)
    reconcile_one("container", Container.all_objects.get().pk)
    reconcile_one("service", service.pk)
    service = reload(service)
    assert (service.status["health"], service.message) == ("unhealthy", "WEB-Server_web_1: Ended with exit code 3.")


def test_a_replacement_is_told_with_its_reason(serve: Any, sim: SimulatedDriver, actor_of: Any) -> None:
    service = serve(scale=1)
    row = Container.all_objects.get()
    container_act(row, "remove", actor=actor_of("bob"))
    reconcile_until_idle()
    reconcile_one("service", service.pk)
    (event,) = service_events(service)
    assert (event.kind, event.reason) == ("replaced", "WEB-Server_web_1 was removed.")
    assert event.container != row
