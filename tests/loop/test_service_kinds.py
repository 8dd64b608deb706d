"""Services that are no fixed number of containers, on engines in memory: one on each host, and jobs that run once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.console.components.state_badges import badge_of
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, ContainerEvent
from apps.containers.selectors import ended_filter
from apps.containers.services import container_act
from apps.core.errors import Invalid
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create, host_update
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import health_of
from apps.stacks.services import service_act, service_create, service_update, stack_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

GLOBAL = {"io.rancher.scheduler.global": "true"}
ONCE = {"io.rancher.container.start_once": "true"}
RULE = "io.rancher.scheduler.affinity:host_label"

pytestmark = pytest.mark.faces


@pytest.fixture
def more_hosts(lab: Environment, host: Host, run_loop: Callable[[], None]) -> Callable[..., Host]:
    """Adds a host on an engine of its own."""

    def add(name: str, **labels: str) -> Host:
        engine = f"{name}-{uuid.uuid4().hex}"  # drivers are shared by their address: each test needs its own
        simulated_engine(engine).local_images.add("bb:new")
        row = host_create(actor=None, environment=lab, url=f"sim://{engine}", name=name, labels=labels)
        run_loop()
        row.refresh_from_db()
        return row

    return add


@pytest.fixture
def serve(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Callable[..., Service]:
    """An active service, at rest."""

    def make(labels: dict[str, str], **more: Any) -> Service:
        stack = Stack.all_objects.filter(name="shop").first() or stack_create(
            actor=actor_of("bob"), environment=lab, name="shop"
        )
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": labels, **more.pop("fields", {})})
        row = service_create(
            actor=actor_of("bob"), stack=stack, name="web", config=config, start_on_create=True, **more
        )
        run_loop()
        row.refresh_from_db()
        return row

    return make


def where(row: Service) -> list[tuple[str, str, str]]:
    """Host, state and name of its containers."""
    found = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).select_related("host")
    return sorted((str(each.host), each.display_state, each.name) for each in found)


def test_one_on_each_host_and_a_new_host_gets_one_at_once(serve: Any, more_hosts: Any) -> None:
    more_hosts("h2")
    row = serve(GLOBAL)
    assert where(row) == [("h1", "running", "shop_web_1"), ("h2", "running", "shop_web_2")]
    assert (row.display_state, row.scale, row.status["health"]) == ("active", 1, "healthy")
    more_hosts("h3")
    assert [host for host, _state, _name in where(row)] == ["h1", "h2", "h3"]
    row.refresh_from_db()
    assert (row.status["on_hosts"], row.status["hosts"]) == (3, 3)


def test_the_rules_about_labels_count_and_follow_a_change(
    serve: Any, more_hosts: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    second = more_hosts("h2", disk="ssd")
    third = more_hosts("h3")
    row = serve({**GLOBAL, RULE: "disk=ssd"})
    assert [host for host, _state, _name in where(row)] == ["h2"]
    host_update(third, actor=actor_of("alice"), labels={"disk": "ssd"})
    run_loop()
    assert [host for host, _state, _name in where(row)] == ["h2", "h3"]
    second.refresh_from_db()
    host_update(second, actor=actor_of("alice"), labels={})
    run_loop()
    assert [host for host, _state, _name in where(row)] == ["h3"]


def test_no_host_that_fits_is_said_and_no_failure(serve: Any) -> None:
    row = serve({**GLOBAL, RULE: "disk=ssd"})
    assert (row.display_state, where(row)) == ("active", [])
    assert row.message == (
        "No active host has the labels that the service asks for: the label disk=ssd is missing (h1)."
    )


def test_each_rule_that_no_host_meets_is_named_with_the_hosts(serve: Any, more_hosts: Any) -> None:
    for name in ("h2", "h3", "h4"):
        more_hosts(name, spot="yes")
    row = serve({**GLOBAL, RULE: "disk=ssd", f"{RULE}_ne": "spot=yes"})
    assert "the label disk=ssd is missing (h1, h2, h3 and 1 more)" in row.message
    assert "the label spot=yes is not wanted (h2, h3, h4)" in row.message


def test_an_environment_without_an_active_host_is_another_reason(
    serve: Any, host: Host, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    host_act(host, "deactivate", actor=actor_of("alice"))
    run_loop()
    row = serve({**GLOBAL, RULE: "disk=ssd"})
    assert (row.display_state, row.message) == ("active", "The environment has no active host.")


def test_a_deactivated_host_keeps_its_own_and_an_evacuated_one_loses_it(
    serve: Any, more_hosts: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    second = more_hosts("h2")
    row = serve(GLOBAL)
    host_act(second, "deactivate", actor=actor_of("alice"))
    run_loop()
    assert [host for host, _state, _name in where(row)] == ["h1", "h2"]
    second.refresh_from_db()
    host_act(second, "evacuate", actor=actor_of("alice"))
    run_loop()
    Host.all_objects.filter(pk=second.pk).update(next_attempt_at=row.created)
    run_loop()
    second.refresh_from_db()
    assert ([host for host, _state, _name in where(row)], second.display_state) == (["h1"], "inactive")
    host_act(second, "activate", actor=actor_of("alice"))
    run_loop()
    assert [host for host, _state, _name in where(row)] == ["h1", "h2"]


def test_a_lost_host_s_container_is_never_started_elsewhere(
    serve: Any, more_hosts: Any, run_loop: Callable[[], None]
) -> None:
    second = more_hosts("h2")
    row = serve(GLOBAL, lost_host=("reschedule", 10))
    Host.all_objects.filter(pk=second.pk).update(
        state="disconnected", lost_at="2020-01-01T00:00Z", seen_at="2020-01-01T00:00Z"
    )
    Service.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
    run_loop()
    assert [(host, name) for host, _state, name in where(row)] == [("h1", "shop_web_1"), ("h2", "shop_web_2")]


def test_an_upgrade_goes_over_the_hosts_in_batches_and_stays_on_each(
    serve: Any, more_hosts: Any, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    sim.local_images.add("bb:new")
    more_hosts("h2")
    row = serve(GLOBAL)
    new = LaunchConfig.from_wire({"imageUuid": "docker:bb:new", "labels": GLOBAL})
    service_upgrade(row, actor=actor_of("bob"), config=new, strategy=UpgradeStrategy(interval_ms=100, start_first=True))
    for _ in range(8):
        run_loop()
        row.refresh_from_db()
        Service.all_objects.filter(pk=row.pk).update(
            status={**row.status, "next_batch_at": None}, next_attempt_at=row.created
        )
    assert row.display_state == "upgraded"
    service_upgrade_step(row, "finishupgrade", actor=actor_of("bob"))
    run_loop()
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).select_related("host")
    assert sorted((str(each.host), each.image) for each in rows) == [("h1", "bb:new"), ("h2", "bb:new")]


def test_a_host_that_is_asked_for_contradicts_every_host(serve: Any, host: Host) -> None:
    with pytest.raises(Invalid, match="every host") as caught:
        serve(GLOBAL, fields={"requestedHostId": f"1h{host.pk}"})
    assert caught.value.field == "launchConfig.requestedHostId"


def test_a_stopped_global_service_keeps_its_containers_and_a_removed_one_none(
    serve: Any, more_hosts: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    more_hosts("h2")
    row = serve(GLOBAL)
    service_act(row, "deactivate", actor=actor_of("bob"))
    run_loop()
    assert [state for _host, state, _name in where(row)] == ["stopped", "stopped"]
    row.refresh_from_db()
    service_act(row, "remove", actor=actor_of("bob"))
    run_loop()
    assert where(row) == []


def held(row: Service) -> tuple[int, str, str]:
    row.refresh_from_db()
    return len(where(row)), row.display_state, str(row.status["health"])


def test_as_many_as_fit_and_more_when_hosts_come(
    serve: Any, more_hosts: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    more_hosts("h2")
    row = serve({}, fields={"ports": ["80:80"]}, scale_policy={"min": 1, "max": 4, "increment": 2})
    assert held(row) == (2, "active", "healthy")  # a port is taken once on each host
    more_hosts("h3")
    assert held(row) == (3, "active", "healthy")
    service_update(row, actor=actor_of("bob"), scale_policy={"min": 1, "max": 2})
    run_loop()
    assert held(row) == (2, "active", "healthy")
    service_update(row, actor=actor_of("bob"), scale_policy=None)
    run_loop()
    assert held(row)[0] == row.scale == 2  # without the policy those that there are stay


def test_a_number_beside_the_policy_is_refused(serve: Any, actor_of: Any) -> None:
    row = serve({}, scale_policy={"min": 1, "max": 2})
    with pytest.raises(Invalid, match="change its scalePolicy instead"):
        service_update(row, actor=actor_of("bob"), scale=7)
    service_update(row, actor=actor_of("bob"), scale=row.scale)  # clients send all of it back
    service_update(row, actor=actor_of("bob"), scale=3, scale_policy=None)
    assert row.scale == 3


def test_no_upgrade_makes_a_service_global_beside_its_policy(serve: Any, actor_of: Any) -> None:
    row = serve({}, scale_policy={"min": 1, "max": 2})
    config = replace(row.config, labels=GLOBAL)
    with pytest.raises(Invalid, match="drop the label or the policy"):
        service_upgrade(row, actor=actor_of("bob"), config=config, strategy=UpgradeStrategy())


def test_what_does_not_fit_below_the_minimum_is_reported(serve: Any) -> None:
    row = serve({}, fields={"ports": ["80:80"]}, scale_policy={"min": 2, "max": 3})
    assert held(row)[0] == 2
    assert "Scheduling failed" in row.message


@pytest.mark.parametrize(
    ("policy", "field", "code"),
    [
        ({"max": 3}, "scalePolicy.min", "MissingRequired"),
        ({"min": 3, "max": 2}, "scalePolicy.max", "MinLimitExceeded"),
        ({"min": 0, "max": 2}, "scalePolicy.min", "MinLimitExceeded"),
        ({"min": 1, "max": 1001}, "scalePolicy.max", "MaxLimitExceeded"),
        ({"min": 1, "max": 2, "increment": "2"}, "scalePolicy.increment", "InvalidFormat"),
    ],
)
def test_a_bad_scale_policy_is_refused(serve: Any, policy: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        serve({}, scale_policy=policy)
    assert (caught.value.field, caught.value.code) == (field, code)


def test_one_on_each_host_and_as_many_as_fit_exclude_each_other(serve: Any) -> None:
    with pytest.raises(Invalid, match="drop the label or the policy"):
        serve(GLOBAL, scale_policy={"min": 1, "max": 2})


@pytest.mark.parametrize(("code", "health"), [(0, "completed"), (3, "unhealthy")])
@pytest.mark.parametrize("label", ["true", "True", "yes"])
def test_a_job_that_has_ended_is_done_and_never_replaced(
    serve: Any, sim: SimulatedDriver, run_loop: Callable[[], None], code: int, health: str, label: str
) -> None:
    row = serve({"io.rancher.container.start_once": label})
    before = Container.all_objects.get(spread_key=str(row.uuid))
    sim.crash(before.external_id, code)
    Container.all_objects.filter(pk=before.pk).update(next_attempt_at=row.created)
    run_loop()
    Service.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
    run_loop()
    row.refresh_from_db()
    after = Container.all_objects.get(spread_key=str(row.uuid), removed=None)
    assert (after.pk, after.display_state, after.start_count) == (before.pk, "stopped", before.start_count)
    assert (row.display_state, health_of(row)) == ("active", health)
    assert (f"{code}" in row.message) == bool(code)


@pytest.mark.parametrize("code", [1, 137, 143])
def test_a_job_that_somebody_stopped_has_not_failed_whatever_its_exit_code(
    serve: Any, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None], code: int
) -> None:
    row = serve(ONCE, fields={"runInit": True})
    before = Container.all_objects.get(spread_key=str(row.uuid))
    container_act(before, "stop", actor=actor_of("bob"))
    run_loop()
    stopped = Container.all_objects.get(pk=before.pk)
    assert stopped.final_exit_code == 143, "as the engine says"
    stopped.status = {**stopped.status, "final_exit_code": code, "exit_code": code}
    stopped.save(update_fields=["status"])
    Service.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, health_of(row), row.message) == ("active", "completed", "")
    assert badge_of(Container.all_objects.get(pk=before.pk)).word == "stopped"
    assert not ContainerEvent.objects.filter(container=before, kind="failed").exists()
    assert list(Container.all_objects.filter(ended_filter())) == [stopped]


def test_a_job_that_is_stopped_before_its_first_run_is_not_started_until_somebody_starts_it(
    serve: Any, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    host_act(host, "deactivate", actor=actor_of("alice"))
    run_loop()
    row = serve(ONCE)
    waiting = Container.all_objects.get(spread_key=str(row.uuid))
    assert (waiting.host_id, waiting.start_count) == (None, 0)
    container_act(waiting, "stop", actor=actor_of("bob"))
    run_loop()
    host_act(Host.all_objects.get(pk=host.pk), "activate", actor=actor_of("alice"))
    for _ in range(3):
        for model in (Container, Service):
            model.all_objects.update(next_attempt_at=row.created)
        run_loop()
    row.refresh_from_db()
    after = Container.all_objects.get(spread_key=str(row.uuid), removed=None)
    assert (after.pk, after.display_state, after.start_count, after.is_finished) == (waiting.pk, "stopped", 0, True)
    assert (row.display_state, health_of(row)) == ("active", "completed")
    assert list(Container.all_objects.filter(ended_filter())) == [after]
    container_act(after, "start", actor=actor_of("bob"))
    run_loop()
    assert Container.all_objects.get(pk=after.pk).display_state == "running"


def test_jobs_that_have_ended_are_upgraded_and_rolled_back_and_the_old_ones_do_not_run_again(
    serve: Any, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    sim.local_images.add("bb:new")
    row = serve(ONCE, scale=2)

    def end_all() -> list[tuple[str, int]]:
        """The jobs of both revisions, ended, and how often each has run."""
        for _ in range(4):
            for box in sim.snapshots():
                if box.state == "running":
                    sim.crash(box.id, 0)
            for model in (Container, Service):
                model.all_objects.update(next_attempt_at=row.created)
            run_loop()
        row.refresh_from_db()
        found = Container.all_objects.filter(spread_key=str(row.uuid), removed=None)
        return sorted((each.image, each.start_count) for each in found)

    end_all()
    new = LaunchConfig.from_wire({"imageUuid": "docker:bb:new", "labels": ONCE})
    service_upgrade(row, actor=actor_of("bob"), config=new, strategy=UpgradeStrategy(batch_size=2, interval_ms=100))
    assert end_all() == [("bb:local", 1), ("bb:local", 1), ("bb:new", 1), ("bb:new", 1)]
    assert row.display_state == "upgraded"
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    assert end_all() == [("bb:local", 1), ("bb:local", 1)]
    assert (row.display_state, row.image) == ("active", "bb:local")


def test_what_fits_on_no_host_can_be_stopped_and_upgraded_to_what_fits(
    serve: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    row = serve({RULE: "disk=ssd"}, scale=2)
    assert (row.display_state, [state for _host, state, _name in where(row)]) == ("registering", ["creating"] * 2)
    service_act(row, "deactivate", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, row.transitioning) == ("inactive", "no")
    service_act(row, "activate", actor=actor_of("bob"))
    service_act(row, "deactivate", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    new = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    service_upgrade(row, actor=actor_of("bob"), config=new, strategy=UpgradeStrategy(batch_size=2, interval_ms=100))
    for _ in range(3):
        Service.all_objects.update(next_attempt_at=row.created)
        run_loop()
    row.refresh_from_db()
    assert (row.display_state, [state for _host, state, _name in where(row)]) == (
        "upgraded",
        ["stopped", "stopped", "running", "running"],
    )
