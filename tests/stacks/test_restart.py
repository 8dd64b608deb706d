"""A rolling restart on an engine in memory: in batches, interrupted, given up; and who may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.cancel import operation_cancel
from apps.control.models import Operation
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.reconcile import reconcile_service
from apps.stacks.restart_services import RestartStrategy, service_restart
from apps.stacks.services import service_act, service_create, stack_create

FAST, SLOW = RestartStrategy(2, 100), RestartStrategy(1, 60_000)

Idle = Callable[[Service], Service]
Loop = Callable[[], None]


@pytest.fixture
def idle(run_loop: Loop) -> Idle:
    """The service once the loop has nothing to do; the intervals between batches are over at once."""

    def wait(row: Service) -> Service:
        for _ in range(20):
            run_loop()
            row.refresh_from_db()
            if not row.status.get("next_batch_at"):
                break
            over = {**row.status, "next_batch_at": "2000-01-01T00:00:00+00:00"}
            Service.all_objects.filter(pk=row.pk).update(status=over, next_attempt_at=row.created)
        return row

    return wait


@pytest.fixture
def web(lab: Environment, host: Host, actor_of: Any, idle: Idle) -> Service:
    """Three running containers."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    return idle(
        service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, scale=3, start_on_create=True)
    )


def marks(row: Service) -> list[int]:
    """How often each container was asked to restart."""
    found = Container.all_objects.filter(spread_key=str(row.uuid), removed=None)
    return list(found.order_by("pk").values_list("restart_mark", flat=True))


def test_each_container_is_restarted_once_and_never_more_than_a_batch_is_down(
    web: Service, actor_of: Any, idle: Idle, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarted: list[str] = []
    restart = sim.restart

    def counted(key: str, *more: Any, **options: Any) -> Any:
        restarted.append(key)
        down = Container.all_objects.exclude(display_state="running").count()
        assert down <= 2
        return restart(key, *more, **options)

    monkeypatch.setattr(sim, "restart", counted)
    service_restart(web, actor=actor_of("bob"), strategy=FAST)
    assert (web.display_state, web.transitioning) == ("restarting", "yes")
    assert idle(web).display_state == "active"
    assert len(restarted) == len(set(restarted)) == 3
    assert marks(web) == [1, 1, 1]
    assert Operation.all_objects.get(name="service.restart").state == "succeeded"


def test_the_next_batch_waits_for_the_interval(web: Service, actor_of: Any, run_loop: Loop) -> None:
    service_restart(web, actor=actor_of("bob"), strategy=SLOW)
    run_loop()
    web.refresh_from_db()
    assert (marks(web), web.display_state, web.message) == ([1, 0, 0], "restarting", "1 of 3 restarted")


def test_what_was_requested_before_a_crash_is_not_requested_again(web: Service, actor_of: Any, idle: Idle) -> None:
    service_restart(web, actor=actor_of("bob"), strategy=FAST)
    # Each time the requests are committed, and the worker dies before the outcome is saved.
    reconcile_service(web)
    reconcile_service(Service.all_objects.get(pk=web.pk))
    assert sorted(marks(web)) == [0, 1, 1]
    assert idle(web).display_state == "active"
    assert marks(web) == [1, 1, 1]


def test_a_container_that_was_replaced_or_restarted_by_hand_meanwhile_is_done(
    web: Service, actor_of: Any, idle: Idle, run_loop: Loop
) -> None:
    service_restart(web, actor=actor_of("bob"), strategy=SLOW)
    run_loop()
    _first, second, third = Container.all_objects.filter(spread_key=str(web.uuid)).order_by("pk")
    container_act(second, "remove", actor=actor_of("bob"))
    container_act(third, "restart", actor=actor_of("bob"))
    assert idle(web).display_state == "active"
    assert marks(web) == [1, 1, 0]


def test_a_service_that_is_stopped_meanwhile_is_not_restarted_any_further(
    web: Service, actor_of: Any, idle: Idle, run_loop: Loop
) -> None:
    service_restart(web, actor=actor_of("bob"), strategy=SLOW)
    run_loop()
    web.refresh_from_db()
    service_act(web, "deactivate", actor=actor_of("bob"))
    assert idle(web).display_state == "inactive"
    service_act(web, "activate", actor=actor_of("bob"))
    assert idle(web).display_state == "active"
    assert marks(web) == [1, 0, 0]


def test_a_canceled_restart_goes_no_further(web: Service, actor_of: Any, idle: Idle, run_loop: Loop) -> None:
    service_restart(web, actor=actor_of("bob"), strategy=SLOW)
    run_loop()
    operation_cancel(Operation.all_objects.get(name="service.restart"), actor=actor_of("bob"))
    assert idle(web).display_state == "active"
    assert marks(web) == [1, 0, 0]


def test_who_may_and_when(web: Service, actor_of: Any, idle: Idle) -> None:
    with pytest.raises(Forbidden):
        service_restart(web, actor=actor_of("rita"), strategy=FAST)
    service_act(web, "deactivate", actor=actor_of("bob"))
    idle(web)
    with pytest.raises(ActionNotAvailable):
        service_restart(web, actor=actor_of("bob"), strategy=FAST)


@pytest.mark.parametrize(
    ("batch", "interval", "field", "code"),
    [
        (0, 2000, "batchSize", "MinLimitExceeded"),
        (1001, 2000, "batchSize", "MaxLimitExceeded"),
        (True, 2000, "batchSize", "InvalidFormat"),
        (1, 99, "intervalMillis", "MinLimitExceeded"),
        (1, 86_400_001, "intervalMillis", "MaxLimitExceeded"),
    ],
)
def test_a_strategy_has_limits(batch: Any, interval: int, field: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        RestartStrategy(batch, interval)
    assert (refused.value.field, refused.value.code) == (field, code)
