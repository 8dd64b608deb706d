"""A stack on two engines in memory, people who change their minds, engines that suffer, and a worker that may die."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from django.db import transaction

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.kinds import KINDS
from apps.control.reconcile import due_rows, reconcile_one
from apps.drivers import registry
from apps.drivers.base import Endpoint, EngineContainer, EngineDown, EngineError, EngineRefused
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.services import host_create
from apps.stacks.models import Service
from apps.stacks.services import service_act, service_create, service_update, stack_create

ENGINES = ("north", "south")
CALLS = ("create", "start", "stop", "remove", "inspect", "find", "containers")
A_WHILE = timedelta(seconds=200)


class Crash(BaseException):
    """The worker dies in the middle of a reconcile."""


class RollBack(Exception):
    """The end of one example: everything it wrote is taken back."""


class Simulation:
    """A stack on two engines, a clock that the test moves, and a worker that may die."""

    def __init__(self, lab: Environment, actor: Actor, clock: Any, listen: Callable[[], Any]) -> None:
        engine.reset_engines()
        for name in ENGINES:
            registry.discard_driver(Endpoint(f"sim://{name}"))
        self.lab, self.actor, self.clock, self.listen = lab, actor, clock, listen
        self.engines: list[SimulatedDriver] = [engine.simulated_engine(name) for name in ENGINES]
        for name in ENGINES:
            host_create(actor=None, environment=lab, url=f"sim://{name}", name=name)
        self.stack = stack_create(actor=actor, environment=lab, name="web")
        self.work(50)

    def services(self) -> list[Service]:
        return list(Service.all_objects.filter(stack=self.stack))

    def pick(self, number: int) -> Service | None:
        found = self.services()
        return found[number % len(found)] if found else None

    def boxes(self) -> list[tuple[SimulatedDriver, EngineContainer]]:
        """Everything on both engines, read past their accidents."""
        return [(driver, box) for driver in self.engines for box in driver.snapshots()]

    def work(self, limit: int) -> int:
        """Up to so many reconciles of what is due; a worker that dies leaves its lease behind."""
        done = 0
        while done < limit and (rows := due_rows()):
            for kind, key in rows[: limit - done]:
                with self.listen(), suppress(Crash):
                    reconcile_one(kind, key)
                done += 1
        return done

    # What people ask

    def new(self, scale: int) -> None:
        name = f"s{Service.all_objects.filter(stack=self.stack).count()}"
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
        if name in {"s0", "s1"}:
            service_create(
                actor=self.actor, stack=self.stack, name=name, config=config, scale=scale % 5, start_on_create=True
            )

    def scale(self, number: int) -> None:
        if row := self.pick(number):
            service_update(row, actor=self.actor, scale=number // 2 % 5)

    def activate(self, number: int) -> None:
        self.act(number, "activate")

    def deactivate(self, number: int) -> None:
        self.act(number, "deactivate")

    def remove(self, number: int) -> None:
        self.act(number, "remove")

    def act(self, number: int, action: str) -> None:
        if row := self.pick(number):
            service_act(row, action, actor=self.actor)

    def lose(self, number: int) -> None:
        """Somebody removes one container in the portal."""
        rows = list(Container.all_objects.filter(environment=self.lab, removed=None))
        if rows:
            container_act(rows[number % len(rows)], "remove", actor=self.actor)

    def halt(self, number: int) -> None:
        rows = list(Container.all_objects.filter(environment=self.lab, removed=None))
        if rows:
            container_act(rows[number % len(rows)], "stop", actor=self.actor)

    # What engines and workers suffer

    def box(self, number: int) -> tuple[SimulatedDriver, EngineContainer] | None:
        found = self.boxes()
        return found[number % len(found)] if found else None

    def end(self, number: int) -> None:
        """A container's process ends by itself."""
        if (found := self.box(number)) and found[1].state == "running":
            found[0].crash(found[1].id, number % 3)

    def vanish(self, number: int) -> None:
        """Somebody removes a container on the engine."""
        if found := self.box(number):
            with suppress(EngineError, Crash):
                found[0].remove(found[1].id, force=True)

    def cut(self, number: int) -> None:
        self.engines[number % 2].down = True

    def mend(self, number: int) -> None:
        self.engines[number % 2].down = False

    def refuse(self, number: int) -> None:
        self.engines[number % 2].fail_next(CALLS[number // 2 % len(CALLS)], EngineRefused("not now"), 1 + number % 2)

    def stumble(self, number: int) -> None:
        self.engines[number % 2].fail_next(CALLS[number // 2 % len(CALLS)], EngineDown("lost the line"))

    def die(self, number: int) -> None:
        """The worker dies right after a call has done its work on the engine."""
        engine, call = self.engines[number % 2], ("create", "start", "stop", "remove")[number // 2 % 4]
        real = getattr(type(engine), call)

        def once(*args: Any, **kwargs: Any) -> None:
            engine.__dict__.pop(call, None)
            real(engine, *args, **kwargs)
            raise Crash

        engine.__dict__[call] = once

    def double(self, number: int) -> None:
        """Every requeue is delivered twice, and in no order."""
        rows = [
            (name, key) for name, kind in KINDS.items() for key in kind.model.all_objects.values_list("pk", flat=True)
        ]
        random.Random(number).shuffle(rows)  # noqa: S311 - an order, no secret
        for kind, key in rows[:20]:
            with self.listen(), suppress(Crash):
                reconcile_one(kind, key)

    def wait(self, number: int) -> None:
        """Time passes, and some of what is due is done."""
        self.clock.ahead += timedelta(seconds=number % 100)
        self.work(number)

    def rest(self) -> None:
        """All accidents are over; time passes until nothing changes any more."""
        for driver in self.engines:
            driver.down = False
            driver._failures.clear()
            for call in CALLS:
                driver.__dict__.pop(call, None)
        for _ in range(8):
            self.clock.ahead += A_WHILE
            self.work(300)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Everything inside is undone at the end, unless it fails."""
    with suppress(RollBack), transaction.atomic():
        yield
        raise RollBack
