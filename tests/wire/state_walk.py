"""A walk through every state of a row by real actions: what is tried in one of them is taken back afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.control.kinds import KINDS
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from tests.wire.api_client import ApiClient, ApiResponse

Paths = Mapping[str, tuple[str, str]]
SHORT, LONG = timedelta(seconds=6), timedelta(seconds=80)  # longer than a recheck; than a pause between two attempts
INTERVAL_MS = 60_000


class MovedClock:
    """Django's clock, moved ahead by the test."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._real = timezone.now

    def now(self) -> Any:
        return self._real() + self.ahead


class Walk:
    """One row of the API in a world that can be put back: the database, the engines and the clock."""

    def __init__(self, api: ApiClient, clock: MovedClock, engines: list[SimulatedDriver]) -> None:
        self.api, self.clock, self.engines = api, clock, engines
        self.path = ""
        self.after_rest: Callable[[], None] = lambda: None

    def row(self) -> ApiResponse:
        return self.api.get(self.path)

    @contextmanager
    def answer_taken_back(self) -> Iterator[None]:
        """What is requested inside has not been requested afterwards; the loop must not run."""
        with transaction.atomic():
            yield
            transaction.set_rollback(True)

    @contextmanager
    def taken_back(self) -> Iterator[None]:
        """Whatever happens inside has not happened afterwards."""
        ahead, kept = self.clock.ahead, [_keep(engine) for engine in self.engines]
        with self.answer_taken_back():
            yield
        self.clock.ahead = ahead
        for engine, state in zip(self.engines, kept, strict=True):
            _put_back(engine, state)

    def rest(self) -> None:
        """Reconcile until nothing is in transition any more."""
        for turn in range(14):
            self.clock.ahead += LONG
            reconcile_until_idle()
            if turn and not self._is_busy():
                break
        self.after_rest()

    def work(self) -> None:
        """Reconcile what can be done within the interval between two batches."""
        for _turn in range(4):
            self.clock.ahead += SHORT
            reconcile_until_idle()

    @staticmethod
    def _is_busy() -> bool:
        kinds = [KINDS[name] for name in ("container", "service", "stack")]
        return any(kind.model.all_objects.filter(display_state__in=kind.model.LIFECYCLE.transitional) for kind in kinds)

    def visit(self, start: str, paths: Paths, act: Callable[[str], Any], look: Callable[[str], None]) -> None:
        """Look at `start`, and at every state that the paths lead to from there."""
        look(start)
        for state, (before, how) in paths.items():
            if before == start:
                with self.taken_back():
                    {"rest": self.rest, "work": self.work}.get(how, lambda how=how: act(how))()
                    self.visit(state, paths, act, look)


def _keep(engine: SimulatedDriver) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an engine holds; what never changes, and its lock, are no part of it."""
    core = engine._core
    shared = (core.runtime, core.events, core.images, core.lock)
    memo = {id(each): each for each in shared}
    return copy.deepcopy((vars(core.containers), vars(core.volumes)), memo)


def _put_back(engine: SimulatedDriver, kept: tuple[dict[str, Any], dict[str, Any]]) -> None:
    core = engine._core
    vars(core.containers).update(kept[0])
    vars(core.volumes).update(kept[1])
    core.networks = core.containers.networks
