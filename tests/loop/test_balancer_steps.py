"""A balancer in the loop: its containers load what is to be, and let go of containers before these stop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.containers.departure import leaving_since
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.core.models import Setting
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.config import CustomText, Listener
from apps.stacks.balancer.draining import DRAIN_SETTING, balancers_of, balancers_to_requeue, reason_to_run
from apps.stacks.balancer.launch import IMAGE_SETTING, config_of_balancer
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.service_options import BALANCER, ServiceOptions
from apps.stacks.services import service_act, service_create, service_update, stack_create
from tests.loop.fake_haproxy import FakeHaproxy


@pytest.fixture
def stack(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Stack:
    Setting.objects.create(name=IMAGE_SETTING, value="bb:local")
    row = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    run_loop()
    return row


@pytest.fixture
def web(stack: Stack, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, scale=2, start_on_create=True)
    run_loop()
    return reload(row)


@pytest.fixture
def balancer(stack: Stack, web: Service, proxy: FakeHaproxy, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    """One at port 80 that leads to web."""
    del proxy
    options = ServiceOptions(BALANCER, balancer=BalancerSettings((Listener(80, target_port=8080),)))
    config = config_of_balancer({"ports": ["80:8080"]}, "launchConfig.")
    row = service_create(
        actor=actor_of("bob"), stack=stack, name="lb", config=config, options=options, start_on_create=True
    )
    ServiceLink.objects.create(service=row, target=web, name="web")
    run_loop()
    Container.all_objects.filter(spread_key=str(row.uuid)).update(health="healthy")  # as if port 42 had answered
    return reconciled(row, run_loop)


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def reconciled(row: Any, run_loop: Callable[[], None]) -> Any:
    type(row).all_objects.filter(pk=row.pk).update(next_attempt_at=timezone.now())
    run_loop()
    return reload(row)


def containers(row: Service) -> list[Container]:
    return list(Container.all_objects.filter(spread_key=str(row.uuid), removed=None).order_by("name"))


def server(row: Container) -> str:
    return f"{row.name}-{row.pk}"


def test_it_loads_its_targets_once_and_again_when_they_change(
    balancer: Service, web: Service, proxy: FakeHaproxy, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    assert proxy.servers == ["shop_web_1", "shop_web_2"]
    assert "web_1" in proxy.loaded[-1]
    assert ":8080 check" in proxy.loaded[-1]
    count = len(proxy.loaded)
    reconciled(balancer, run_loop)
    assert len(proxy.loaded) == count
    service_update(web, scale=3, actor=actor_of("bob"))
    run_loop()
    assert proxy.servers == ["shop_web_1", "shop_web_2", "shop_web_3"]
    assert len(proxy.loaded) == count + 1


def test_sidekicks_of_a_target_get_no_requests(
    balancer: Service, web: Service, proxy: FakeHaproxy, run_loop: Callable[[], None]
) -> None:
    Container.all_objects.filter(pk=containers(web)[1].pk).update(launch_name="logger")
    reconciled(balancer, run_loop)
    assert proxy.servers == ["shop_web_1"]


def test_what_leaves_is_let_go_of_before_it_stops(
    balancer: Service,
    web: Service,
    proxy: FakeHaproxy,
    sim: SimulatedDriver,
    actor_of: Any,
    run_loop: Callable[[], None],
) -> None:
    leaver = containers(web)[1]
    proxy.busy[server(leaver)] = 3
    service_update(web, scale=1, actor=actor_of("bob"))
    run_loop()
    waiting = reload(leaver)
    assert leaving_since(waiting)
    assert sim.calls["stop"] == 0
    assert waiting.message == "Waits for 3 requests of lb to end."
    assert proxy.servers == ["shop_web_1"]
    assert server(leaver) in proxy.out
    proxy.busy.clear()
    reconciled(balancer, run_loop)
    assert sim.calls["stop"] == 1
    assert reload(leaver).removed is not None
    assert reload(balancer).status["released"] == {}


def test_it_is_not_waited_for_longer_than_the_setting_says(
    balancer: Service, web: Service, proxy: FakeHaproxy, sim: SimulatedDriver, actor_of: Any,
    run_loop: Callable[[], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    Setting.objects.create(name=DRAIN_SETTING, value="60")
    leaver = containers(web)[0]
    proxy.busy[server(leaver)] = 1
    container_act(leaver, "stop", actor=actor_of("bob"))
    run_loop()
    assert sim.calls["stop"] == 0
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(seconds=61))
    run_loop()
    assert sim.calls["stop"] == 1


@pytest.mark.parametrize(("seconds", "is_waited_for"), [(30, True), (69, True), (71, False)])
def test_a_balancer_that_has_not_heard_of_it_yet_gets_longer_than_requests_do(
    balancer: Service, web: Service, seconds: int, is_waited_for: bool
) -> None:
    Setting.objects.create(name=DRAIN_SETTING, value="10")
    leaver = containers(web)[0]
    since = (timezone.now() - timedelta(seconds=seconds)).isoformat()
    reason, requeued = reason_to_run(leaver, since)
    expected = ("Waits for lb to send it no more requests.", [("service", balancer.pk)])
    assert (reason, list(requeued)) == (expected if is_waited_for else ("", []))
    busy = {"sessions": {str(leaver.pk): 1}}  # one that has heard is waited for as long as the setting says
    Service.all_objects.filter(pk=balancer.pk).update(status={**reload(balancer).status, **busy})
    assert reason_to_run(leaver, since)[0] == ""
    Setting.objects.filter(name=DRAIN_SETTING).update(value="0")
    assert reason_to_run(leaver, since)[0] == ""


@pytest.mark.parametrize(("own", "at_once"), [(0, True), (120_000, False), (None, False)])
def test_a_service_says_for_itself_how_long_its_containers_are_waited_for(
    balancer: Service, web: Service, proxy: FakeHaproxy, sim: SimulatedDriver, actor_of: Any,
    run_loop: Callable[[], None], monkeypatch: pytest.MonkeyPatch, own: int | None, at_once: bool,
) -> None:  # fmt: skip
    Setting.objects.create(name=DRAIN_SETTING, value="60")
    leaver = containers(web)[0]
    Container.all_objects.filter(pk=leaver.pk).update(spec={**leaver.spec, "drainTimeoutMs": own})
    proxy.busy[server(leaver)] = 1
    container_act(reload(leaver), "stop", actor=actor_of("bob"))
    run_loop()
    assert sim.calls["stop"] == at_once
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(seconds=61))
    run_loop()
    assert sim.calls["stop"] == (own != 120_000)
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(seconds=121))
    run_loop()
    assert sim.calls["stop"] == 1


def test_one_that_is_started_again_is_let_go_of_too_and_comes_back(
    balancer: Service,
    web: Service,
    proxy: FakeHaproxy,
    sim: SimulatedDriver,
    actor_of: Any,
    run_loop: Callable[[], None],
) -> None:
    row = containers(web)[0]
    proxy.busy[server(row)] = 1
    container_act(row, "restart", actor=actor_of("bob"))
    run_loop()
    assert sim.calls["restart"] == 0
    assert proxy.servers == ["shop_web_2"]
    proxy.busy.clear()
    reconciled(balancer, run_loop)
    assert sim.calls["restart"] == 1
    assert proxy.servers == ["shop_web_1", "shop_web_2"]


def test_a_balancer_that_does_not_answer_holds_nothing_for_long(
    balancer: Service,
    web: Service,
    proxy: FakeHaproxy,
    sim: SimulatedDriver,
    actor_of: Any,
    run_loop: Callable[[], None],
) -> None:
    Setting.objects.create(name=DRAIN_SETTING, value="0")
    proxy.down = True
    service_update(web, scale=1, actor=actor_of("bob"))
    run_loop()
    assert sim.calls["stop"] == 1
    assert "does not answer" in reload(balancer).message


def test_what_haproxy_refuses_is_said_with_its_line_and_servers_still_come_and_go(
    balancer: Service, web: Service, proxy: FakeHaproxy, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    listeners = (Listener(80, target_port=8080),)
    _set(balancer, BalancerSettings(listeners, custom=CustomText("maxconn 77")))
    reconciled(balancer, run_loop)
    assert "maxconn 77" in proxy.loaded[-1]
    proxy.refusal = haproxy.ConfigRefusal("unknown keyword 'bogus' in 'global' section", _line_of_custom_text())
    _set(balancer, BalancerSettings(listeners, custom=CustomText("bogus")))
    row = reconciled(balancer, run_loop)
    assert row.message == "global line 1 of its haproxy.cfg: unknown keyword 'bogus' in 'global' section"
    assert row.display_state == "active"
    count = len(proxy.loaded)
    assert reconciled(balancer, run_loop).message == row.message
    assert len(proxy.loaded) == count
    service_update(web, scale=3, actor=actor_of("bob"))
    run_loop()
    assert proxy.servers == ["shop_web_1", "shop_web_2", "shop_web_3"]
    assert "maxconn 77" in proxy.loaded[-1]
    assert reload(balancer).message == row.message
    _set(balancer, BalancerSettings((Listener(81),)))
    row = reconciled(balancer, run_loop)
    assert row.message == ""
    assert "bind :81" in proxy.loaded[-1]


def _set(row: Service, settings: BalancerSettings) -> None:
    Service.all_objects.filter(pk=row.pk).update(balancer=settings.to_json())


def _line_of_custom_text() -> int:
    from apps.stacks.balancer.config import BalancerConfig
    from apps.stacks.balancer.render import render

    return next(iter(render(BalancerConfig(custom=CustomText("bogus"))).origins))


def test_many_changes_are_loaded_together(
    balancer: Service, web: Service, proxy: FakeHaproxy, actor_of: Any, run_loop: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("apps.stacks.balancer.steps.RELOAD_EVERY", 3600.0)
    count = len(proxy.loaded)
    for scale in (3, 4, 5):
        service_update(reload(web), scale=scale, actor=actor_of("bob"))
        run_loop()
    assert len(proxy.loaded) == count
    assert reload(balancer).next_attempt_at is not None
    monkeypatch.setattr("apps.stacks.balancer.steps.RELOAD_EVERY", 0.0)
    reconciled(balancer, run_loop)
    assert len(proxy.loaded) == count + 1
    assert len(proxy.servers) == 5


def test_a_balancer_that_is_switched_off_holds_nothing(
    balancer: Service,
    web: Service,
    proxy: FakeHaproxy,
    sim: SimulatedDriver,
    actor_of: Any,
    run_loop: Callable[[], None],
) -> None:
    service_act(balancer, "deactivate", actor=actor_of("bob"))
    run_loop()
    stops = sim.calls["stop"]
    proxy.busy[server(containers(web)[1])] = 5
    service_update(web, scale=1, actor=actor_of("bob"))
    run_loop()
    assert sim.calls["stop"] == stops + 1


def test_without_balancers_one_query_is_all_it_costs(web: Service) -> None:
    row = containers(web)[0]
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert balancers_of(row) == []
        assert list(balancers_to_requeue(row)) == []
    assert len(seen) == 2
