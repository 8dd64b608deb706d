"""Published ports without a number: which one they get, how long they keep it, and what is said when they cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, PublishedPort
from apps.containers.port_numbers import choose_number, port_in_use, without_number
from apps.containers.selectors import endpoints, events_of
from apps.containers.services import container_act, container_create
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create
from apps.network.environment_networks import network_of
from apps.network.port_range import DEFAULT_PORT_RANGE, ends_of
from apps.network.services import network_update
from apps.stacks.models import Service
from apps.stacks.services import service_act, service_create, service_update, stack_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

FIRST, LAST = ends_of(DEFAULT_PORT_RANGE)
OPEN = {"imageUuid": "docker:bb:local", "ports": ["80"]}
Make = Callable[..., Container]
Idle = Callable[[], None]


@pytest.fixture
def make(lab: Environment, host: Host, actor_of: Any) -> Make:
    """Makes a container and runs the loop."""

    def make(name: str = "web", **fields: Any) -> Container:
        config = LaunchConfig.from_wire({**OPEN, **fields})
        row = container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)
        reconcile_until_idle()
        return reload(row)

    return make


@pytest.fixture
def idle(run_loop: Callable[[], None]) -> Idle:
    """Runs the loop until nothing waits for its next try or the next batch any more."""

    def wait() -> None:
        for _ in range(40):
            run_loop()
            waiting = Container.all_objects.filter(removed=None, next_attempt_at__isnull=False)
            services = [each for each in Service.all_objects.filter(removed=None) if each.status.get("next_batch_at")]
            if not services and not waiting.exists():
                return
            waiting.update(next_attempt_at="2000-01-01T00:00:00+00:00")
            for each in services:
                status = {**each.status, "next_batch_at": "2000-01-01T00:00:00+00:00"}
                Service.all_objects.filter(pk=each.pk).update(status=status, next_attempt_at=each.created)

    return wait


@pytest.fixture
def service(lab: Environment, host: Host, actor_of: Any, idle: Idle) -> Service:
    """One running container with a port that is published without a number."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = LaunchConfig.from_wire(OPEN)
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, scale=1, start_on_create=True)
    idle()
    return row


def reload(row: Container) -> Container:
    return Container.all_objects.select_related("host").get(pk=row.pk)


def retry(row: Container) -> None:
    for _ in range(4):
        Container.all_objects.filter(pk=row.pk, next_attempt_at__isnull=False).update(next_attempt_at=row.created)
        reconcile_until_idle()


def current(service: Service) -> Container:
    found: Container = Container.all_objects.select_related("host").get(slot__service=service)
    return found


def numbers(row: Container) -> list[int]:
    return [each["port"] for each in endpoints(reload(row))]


def test_a_number_is_chosen_and_the_engine_is_given_it(make: Make, sim: SimulatedDriver):
    row = make()
    assert sim.inspect(row.external_id).raw["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostPort": str(FIRST)}]}
    assert numbers(row) == [FIRST]
    assert numbers(make("second")) == [FIRST + 1]


def test_it_stays_over_stop_start_and_restart(make: Make, actor_of: Any):
    row = make()
    make("second")
    for action in ("stop", "start", "restart"):
        container_act(reload(row), action, actor=actor_of("bob"))
        reconcile_until_idle()
    assert reload(row).display_state == "running"
    assert numbers(row) == [FIRST]


def test_each_declaration_has_its_own(make: Make):
    row = make(ports=["80", "80/udp", "127.0.0.1::81", "8000-8003:82"])
    found = PublishedPort.objects.filter(container=row).values_list("published", "number")
    assert dict(found) == {"80/tcp": FIRST, "80/udp": FIRST, "127.0.0.1::81/tcp": FIRST + 1, "8000-8003:82/tcp": 8000}
    assert sorted(numbers(row)) == sorted([FIRST, FIRST, FIRST + 1, 8000])


def test_fixed_numbers_are_left_alone_and_not_chosen(make: Make):
    assert numbers(make(ports=[f"{FIRST}:80"])) == [FIRST]
    assert numbers(make("second", ports=["80", "8080:81"])) == [FIRST + 1, 8080]
    assert not PublishedPort.objects.filter(number__in=(FIRST, 8080)).exists()


def test_no_host_is_chosen_for_a_fixed_number_that_was_given_to_another_container_there(make: Make):
    make()
    assert f"port {FIRST}/tcp is in use" in make("second", ports=[f"{FIRST}:80"]).message


def test_a_removed_container_gives_its_number_back(make: Make, actor_of: Any):
    container_act(make(), "remove", actor=actor_of("bob"))
    reconcile_until_idle()
    assert not PublishedPort.objects.exists()


def test_two_cannot_have_one_number_of_a_host(make: Make):
    first = PublishedPort.objects.get(container=make())
    second = PublishedPort.objects.get(container=make("second"))
    second.number = first.number
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()


def publish_behind_our_back(sim: SimulatedDriver, number: int) -> None:
    """What runs on the host without being a container that the portal knows."""
    sim._core.networks._ports[number, "tcp"] = ["0.0.0.0"]  # noqa: S104 - nothing listens


def test_a_number_that_something_else_has_on_the_host_is_replaced(make: Make, sim: SimulatedDriver):
    publish_behind_our_back(sim, FIRST)
    row = make()
    retry(row)
    assert (reload(row).display_state, numbers(row)) == ("running", [FIRST + 1])
    assert [each.kind for each in events_of(row)] == ["port"]
    why = f"80/tcp is published on port {FIRST + 1} of h1, not {FIRST} any more, which something else uses there."
    assert events_of(row)[0].reason == why


def test_a_fixed_number_that_something_else_has_is_said_with_its_holder(
    make: Make, sim: SimulatedDriver, actor_of: Any
):
    publish_behind_our_back(sim, 8080)
    found = make(ports=["8080:80"])
    what = "Port 8080/tcp of h1 is in use by something that is no container of this environment."
    assert found.message.replace("Port 8080 ", "Port 8080/tcp ") == f"{what} Stop that, or publish another port."


def test_a_stopped_container_whose_fixed_number_another_one_took_says_which(
    make: Make, sim: SimulatedDriver, actor_of: Any
):
    row = make(ports=["8080:80"])
    container_act(row, "stop", actor=actor_of("bob"))
    reconcile_until_idle()
    make("second", ports=["8080:80"])
    container_act(reload(row), "start", actor=actor_of("bob"))
    retry(row)
    assert "of h1 is in use by second. Stop that" in reload(row).message


def test_a_service_s_container_that_vanished_gets_its_number_again(service: Service, sim: SimulatedDriver, idle: Idle):
    row = current(service)
    assert numbers(row) == [FIRST]
    sim.remove(row.external_id)
    idle()
    assert numbers(current(service)) == [FIRST]


def test_a_slot_s_next_container_takes_its_number(service: Service, actor_of: Any, idle: Idle, make: Make):
    before = current(service)
    make("other")
    container_act(before, "remove", actor=actor_of("bob"))
    idle()
    after = current(service)
    assert after.pk != before.pk
    assert numbers(after) == [FIRST]


def test_an_upgrade_in_place_and_its_rollback_keep_it(service: Service, actor_of: Any, idle: Idle):
    first = current(service)
    strategy = UpgradeStrategy(batch_size=1, interval_ms=100)
    new = LaunchConfig.from_wire({**OPEN, "environment": {"A": "2"}})
    service.refresh_from_db()
    service_upgrade(service, actor=actor_of("bob"), strategy=strategy, config=new)
    idle()
    assert (current(service).pk != first.pk, numbers(current(service))) == (True, [FIRST])
    service.refresh_from_db()
    service_upgrade_step(service, "rollback", actor=actor_of("bob"))
    idle()
    assert (current(service).pk, numbers(first)) == (first.pk, [FIRST])
    assert PublishedPort.objects.get(number=FIRST).container == first


def test_an_upgrade_that_starts_first_publishes_on_another_number_beside_the_old_one(
    service: Service, actor_of: Any, idle: Idle
):
    strategy = UpgradeStrategy(batch_size=1, interval_ms=100, start_first=True)
    new = LaunchConfig.from_wire({**OPEN, "environment": {"A": "2"}})
    service.refresh_from_db()
    service_upgrade(service, actor=actor_of("bob"), strategy=strategy, config=new)
    idle()
    after = current(service)
    assert numbers(after) == [FIRST + 1]
    assert any(each.kind == "port" and "shop_web_1" in each.reason for each in events_of(after))


def test_it_moves_with_the_slot_to_another_host_where_it_is_free(
    service: Service, lab: Environment, host: Host, actor_of: Any, idle: Idle
):
    other = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    idle()
    host.refresh_from_db()
    host_act(host, "deactivate", actor=actor_of("bob"))
    idle()
    container_act(current(service), "remove", actor=actor_of("bob"))
    idle()
    after = current(service)
    assert (after.host, numbers(after)) == (other, [FIRST])
    assert not events_of(after).filter(kind="port").exists()


def test_where_it_is_not_free_another_one_is_chosen_and_an_event_says_so(
    service: Service, lab: Environment, host: Host, actor_of: Any, idle: Idle, make: Make
):
    host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    idle()
    host.refresh_from_db()
    host_act(host, "deactivate", actor=actor_of("bob"))
    idle()
    make("squatter", ports=[f"{FIRST}:80"])
    container_act(current(service), "remove", actor=actor_of("bob"))
    idle()
    after = current(service)
    assert numbers(after) == [FIRST + 1]
    why = f"80/tcp is published on port {FIRST + 1} of h2, not {FIRST} any more, which squatter uses there."
    assert events_of(after).get(kind="port").reason == why


def test_a_scale_back_and_forth_keeps_them_and_a_removal_frees_them(service: Service, actor_of: Any, idle: Idle):
    for scale in (3, 1, 3):
        service.refresh_from_db()
        service_update(service, actor=actor_of("bob"), scale=scale)
        idle()
    rows = Container.all_objects.filter(slot__service=service).order_by("slot__number")
    assert [numbers(row) for row in rows] == [[FIRST], [FIRST + 1], [FIRST + 2]]
    service.refresh_from_db()
    service_act(service, "remove", actor=actor_of("bob"))
    idle()
    assert not PublishedPort.objects.exists()


def test_numbers_are_chosen_behind_those_in_use():
    assert choose_number((FIRST, LAST), set()) == FIRST
    assert choose_number((FIRST, LAST), {FIRST, FIRST + 5}) == FIRST + 6
    assert choose_number((FIRST, LAST), {LAST}) == FIRST
    assert choose_number((10, 12), {10, 12}) == 11
    assert choose_number((10, 12), {10, 11, 12}) is None
    assert choose_number((10, 12), {10}, 11) == 11
    assert choose_number((10, 12), {10}, 10) == 11
    assert choose_number((10, 12), {10}, 8080) == 11
    assert choose_number((10, 12), (), 10, {10}) == 11


def test_the_same_declaration_twice_has_two_keys():
    config = LaunchConfig.from_wire({**OPEN, "ports": ["80", "80", "90:81"]})
    assert [key for key, _port in without_number(config.published)] in (["80/tcp", "80/tcp 2"], ["80/tcp"])


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            "external connectivity on endpoint web: Bind for 0.0.0.0:8080 failed: port is already allocated",
            (8080, ""),
        ),
        ("Error starting userland proxy: listen tcp4 0.0.0.0:53: bind: address already in use", (53, "tcp")),
        ("Error starting userland proxy: listen udp6 [::]:53: bind: address already in use", (53, "udp")),
        ("failed to bind host port for 0.0.0.0:80:172.17.0.2:8080/tcp: address already in use", (80, "tcp")),
        ("failed to bind host port 127.0.0.1:81/udp: address already in use", (81, "udp")),
        ("Bind for :::8080 failed: port is already allocated", (8080, "")),
        ("Address already in use", None),
        ("network x has active endpoints", None),
        ("exec 10.0.0.1:80 failed", None),
    ],
)
def test_engines_words_about_ports_are_understood(message: str, found: tuple[int, str] | None):
    assert port_in_use(message) == found


def test_an_environment_has_a_range_of_its_own_from_which_new_ports_come(
    make: Make, lab: Environment, actor_of: Any
) -> None:
    before = make()
    network_update(lab, actor=actor_of("alice"), port_range="20000 - 20015")
    assert network_of(lab.pk).port_range == "20000-20015"
    assert numbers(make("second", ports=["80", "81"])) == [20000, 20001]
    container_act(before, "restart", actor=actor_of("bob"))
    reconcile_until_idle()
    assert numbers(reload(before)) == [FIRST]  # what has a port keeps it


def test_a_range_that_is_used_up_is_named(make: Make, lab: Environment, actor_of: Any) -> None:
    network_update(lab, actor=actor_of("alice"), port_range="20000-20015")
    full = make(ports=[str(80 + at) for at in range(16)])
    assert len(numbers(full)) == 16
    assert "no port from 20000 to 20015 is free on h1" in make("second").message
