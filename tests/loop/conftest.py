"""A stack on two simulated hosts, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.balancer import haproxy
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from tests.loop.fake_haproxy import FakeHaproxy
from tests.loop.scheduled import EVERY_HOUR, START, Watch
from tests.loop.simulated_fleet import Clock, SimulatedFleet
from tests.loop.simulation import ENGINES, Simulation
from tests.loop.units import serve_units


@pytest.fixture
def fleet(
    lab: Environment, sim: Any, run_loop: Callable[[], None], actor_of: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedFleet]:
    """Two hosts, h1 and h2, and a clock that tests move."""
    del sim
    real = timezone.now
    Clock.offset = timedelta()
    monkeypatch.setattr(timezone, "now", lambda: real() + Clock.offset)
    made = [host_create(actor=None, environment=lab, url=f"sim://fleet{n}", name=f"h{n}") for n in (1, 2)]
    run_loop()
    yield SimulatedFleet(made, run_loop, actor_of("alice"))
    for number in (1, 2, 3):
        registry.discard_driver(Endpoint(f"sim://fleet{number}"))


@pytest.fixture
def shop(fleet: SimulatedFleet, lab: Environment) -> Stack:
    """A stack without services."""
    row = stack_create(actor=fleet.actor, environment=lab, name="shop")
    fleet.run()
    return row


@pytest.fixture
def serve(fleet: SimulatedFleet, shop: Stack) -> Callable[..., Service]:
    """Makes an active service of units with the sidekicks `data` and `log`."""
    for number in (1, 2):
        fleet.engine(number).local_images.add("bb:new")
    return partial(serve_units, fleet, shop)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The clock, one minute before noon."""
    found = Watch()
    monkeypatch.setattr(timezone, "now", found.now)
    return found


@pytest.fixture
def schedule_job(
    watch: Watch, lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]
) -> Callable[..., Service]:
    """A scheduled service, at rest, at one minute before noon."""
    del host

    def make(schedule: dict[str, Any] | None = None, **more: Any) -> Service:
        watch.set(START)
        stack = Stack.all_objects.filter(name="shop").first() or stack_create(
            actor=actor_of("bob"), environment=lab, name="shop"
        )
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **more.pop("fields", {})})
        settings = {"schedule": {**EVERY_HOUR, **(schedule or {})}, "start_on_create": True, "name": "job", **more}
        row = service_create(actor=actor_of("bob"), stack=stack, config=config, **settings)
        run_loop()
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def at(watch: Watch, run_loop: Callable[[], None]) -> Callable[..., Service]:
    """Lets it be a time, has everything reconciled that is due by then, and returns the service."""

    def move(text: str) -> Service:
        watch.set(text)
        run_loop()
        found: Service = Service.all_objects.get(name="job")
        return found

    return move


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Django's clock, moved ahead by `ahead`."""

    class Clock:
        ahead = timedelta()

    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + Clock.ahead)
    return Clock


@pytest.fixture
def world(lab: Environment, actor_of: Callable[..., Actor], clock: Any, request: pytest.FixtureRequest) -> Any:
    """Makes a world where requeues arrive (`delivers_requeues`), or where only the resync finds anything."""

    def make(*, delivers_requeues: bool) -> Simulation:
        capture = request.getfixturevalue("django_capture_on_commit_callbacks")
        return Simulation(
            lab, actor_of("alice"), clock, (lambda: capture(execute=True)) if delivers_requeues else nullcontext
        )

    yield make
    engine.reset_engines()
    for name in ENGINES:
        registry.discard_driver(Endpoint(f"sim://{name}"))


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> FakeHaproxy:
    made = FakeHaproxy()
    monkeypatch.setattr(haproxy, "read_process", made.read)
    monkeypatch.setattr(haproxy, "load_files", made.load)
    monkeypatch.setattr(haproxy, "take_out", made.take_out)
    monkeypatch.setattr(haproxy, "read_config", made.read_config)
    monkeypatch.setattr("apps.stacks.balancer.steps.RELOAD_EVERY", 0.0)
    monkeypatch.setattr("apps.stacks.balancer.steps._POLL_PAUSE", 0.0)
    return made
