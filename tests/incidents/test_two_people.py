"""Two people upgrade, scale, stop and delete the same service at once while the loop works: nobody gets a server error,
nothing is there twice, and what is desired in the end is there.

The same file runs on SQLite here and on PostgreSQL in `tests/servers`.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
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
from tests.wire.api_client import ApiClient, ApiResponse

pytestmark = pytest.mark.django_db(transaction=True)

RUNS, SEED = int(os.environ.get("TWO_PEOPLE_RUNS", "8")), int(os.environ.get("TWO_PEOPLE_SEED", "3"))
OLD, NEW = "docker:bb:local", "docker:bb:new"
DONE = {200, 202}
REFUSED = {
    (404, "NotFound"),
    (405, "Method not allowed"),
    (409, "ActionNotAvailable"),
    (409, "Conflict"),
    (422, "ActionNotAvailable"),
    (422, "InvalidOption"),
    (422, "InvalidState"),
}
STEADY = {"upgrading": "upgraded", "canceled": "canceled-upgrade", "canceled-rollback": "canceled-rollback"}
ACTIONS = (
    *("upgrade", "scale", "finishupgrade", "rollback") * 4,
    *("cancelupgrade", "cancelrollback", "restart", "deactivate", "activate") * 2,
    "delete",
)
BATCHES = {"batchSize": 2, "intervalMillis": 100}


Answer = tuple[str, int, str]  # what was requested, the status, and the code of a refusal


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


class Person:
    """Somebody who does one thing after the other, whatever the answers are."""

    def __init__(self, api: ApiClient, path: str, chance: random.Random) -> None:
        self.api, self.path, self.chance, self.answers = api, path, chance, list[Answer]()

    def act(self) -> None:
        for _turn in range(6):
            time.sleep(self.chance.uniform(0, 0.05))
            action = self.chance.choice(ACTIONS)
            found = self.request(action)
            code = "" if found.status in DONE else str(found["code"])
            self.answers.append((action, found.status, code))

    def request(self, action: str) -> ApiResponse:
        if action == "delete":
            return self.api.delete(self.path)
        if action == "scale":
            return self.api.put(self.path, {"scale": self.chance.randint(1, 4)})
        image, starts_first = self.chance.choice([OLD, NEW]), self.chance.random() < 0.5
        strategy = {"launchConfig": {"imageUuid": image}, "startFirst": starts_first, **BATCHES}
        body = {"upgrade": {"inServiceStrategy": strategy}, "restart": {"rollingRestartStrategy": BATCHES}}
        return self.api.post(f"{self.path}?action={action}", body.get(action, {}))


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


def check_end(key: int, engines: list[SimulatedDriver]) -> None:
    """The portal and the engines have what is desired, once."""
    row = Service.all_objects.get(pk=key)
    phase = row.upgrade_phase if row.desired == "active" else ""
    assert (row.display_state, row.transitioning) == (STEADY.get(phase, row.desired), "no"), row.message
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None)
    known = {str(each.uuid) for each in rows}
    boxes = [box for each in engines for box in each.snapshots() if box.name.startswith(f"shop_{row.name}_")]
    found = Counter(box.labels[UUID_LABEL] for box in boxes)
    assert set(found.values()) <= {1}, "a container is there twice"
    assert set(found) <= known, "a container is there that nobody knows"
    running = sum(box.state == "running" for box in boxes)
    assert running == (row.scale if row.desired == "active" else 0)
    slots = Slot.objects.filter(service=row).count()
    assert slots == running or (row.desired == "inactive" and slots <= row.scale), "stopped, it makes no new ones"


def test_two_people_and_one_service(
    api_of: Callable[..., ApiClient], engines: list[SimulatedDriver], loop: Loop
) -> None:
    alice, bob = api_of("alice"), api_of("bob")
    stack = alice.post("environments", {"name": "shop"})["id"]
    for run in range(RUNS):
        chance = random.Random(SEED * 1000 + run)  # noqa: S311 - a sequence, no secret
        body = {"name": f"web{run}", "environmentId": stack, "scale": 3, "startOnCreate": True}
        made = alice.post("services", {**body, "launchConfig": {"imageUuid": OLD}})
        loop.rest()
        path = f"services/{made['id']}"
        two = [Person(each, path, random.Random(chance.random())) for each in (alice, bob)]  # noqa: S311
        story = f"run {run} of seed {SEED}"
        outcomes = race([two[0].act, two[1].act, lambda: [loop.work() for _ in range(25)]])
        assert outcomes[:2] == [None, None], (story, outcomes)
        assert not isinstance(outcomes[2], Exception), (story, outcomes[2])
        answers = two[0].answers + two[1].answers
        refused = {(status, code) for _action, status, code in answers if status not in DONE}
        assert refused <= REFUSED, (story, answers)
        loop.rest()
        try:
            check_end(row_number(made["id"]) or 0, engines)
        except AssertionError as error:
            raise AssertionError(f"{story}: {answers}: {error}") from error
