"""Two people upgrade, scale, stop and delete the same service at once while the loop works: nobody gets a server error,
nothing is there twice, and what is desired in the end is there.

The same file runs on SQLite here and on PostgreSQL in `tests/servers`, the same program against a portal and an engine
in `tests/docker`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.containers.engine import UUID_LABEL
from apps.containers.models import Container
from apps.control.models import PENDING_STATES, Operation
from apps.control.reconcile import due_rows, reconcile_one
from apps.core.ids import row_number
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.services import host_create
from apps.stacks.models import Service, Slot
from tests.incidents.race import race
from tests.incidents.two_people import OLD, SCALE, SEED, End, Person, chance_of, unexpected
from tests.wire.api_client import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)

RUNS = int(os.environ.get("TWO_PEOPLE_RUNS", "8"))


class Loop:
    """What works off what is due, on a clock that runs ahead of the people's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        real = timezone.now
        monkeypatch.setattr(timezone, "now", lambda: real() + self.ahead)

    def work(self) -> int:
        self.ahead += timedelta(seconds=1)
        rows = due_rows()
        for kind, key in rows:
            reconcile_one(kind, key)
        return len(rows)

    def rest(self) -> None:
        """Until nothing is pending any more."""
        for _round in range(120):
            self.ahead += timedelta(seconds=5)
            self.work()
            if not Operation.all_objects.filter(state__in=PENDING_STATES).exists():
                return


@pytest.fixture
def engines(lab: Environment) -> Iterator[list[SimulatedDriver]]:
    """Two hosts that have both images."""
    engine.reset_engines()
    made = [engine.simulated_engine(name) for name in ("lab", "lab2")]
    for each in made:
        registry.discard_driver(Endpoint(f"sim://{each.name}"))
        each.local_images.add("bb:new")
        host_create(actor=None, environment=lab, url=f"sim://{each.name}", name=each.name)
    yield made
    engine.reset_engines()
    for each in made:
        registry.discard_driver(Endpoint(f"sim://{each.name}"))


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def end_of(key: int, engines: list[SimulatedDriver]) -> End:
    row = Service.all_objects.get(pk=key)
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None)
    boxes = [box for each in engines for box in each.snapshots() if box.name.startswith(f"shop_{row.name}_")]
    return End(
        row.desired,
        row.upgrade_phase,
        row.display_state,
        row.transitioning != "no",
        row.scale,
        Slot.objects.filter(service=row).count(),
        frozenset(str(each.uuid) for each in rows),
        tuple((box.labels[UUID_LABEL], box.state) for box in boxes),
        row.message,
    )


def test_two_people_and_one_service(
    api_of: Callable[..., ApiClient], engines: list[SimulatedDriver], loop: Loop
) -> None:
    alice, bob = api_of("alice"), api_of("bob")
    stack = alice.post("environments", {"name": "shop"})["id"]
    for run in range(RUNS):
        chance = chance_of(run)
        body = {"name": f"web{run}", "environmentId": stack, "scale": SCALE, "startOnCreate": True}
        made = alice.post("services", {**body, "launchConfig": {"imageUuid": OLD}})
        loop.rest()
        path = f"services/{made['id']}"
        two = [Person(each.call, path, random.Random(chance.random()), 0.05) for each in (alice, bob)]  # noqa: S311
        story = f"run {run} of seed {SEED}"
        outcomes = race([two[0].act, two[1].act, lambda: [loop.work() for _ in range(25)]])
        assert outcomes[:2] == [None, None], (story, outcomes)
        assert not isinstance(outcomes[2], Exception), (story, outcomes[2])
        answers = two[0].answers + two[1].answers
        assert not unexpected(answers), (story, answers)
        loop.rest()
        try:
            end_of(row_number(made["id"]) or 0, engines).check()
        except AssertionError as error:
            raise AssertionError(f"{story}: {answers}: {error}") from error
