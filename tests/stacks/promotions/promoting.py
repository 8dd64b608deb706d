"""Two environments with a host each, a stack in the first, and what promotes it to the second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.services import host_create
from apps.stacks.models import Service, Stack
from apps.stacks.promotions import reconcile, services
from apps.stacks.promotions.models import Promotion
from apps.stacks.promotions.services import PromotionRequest, promotion_request
from apps.stacks.services import stack_create

FILE = "web:\n  image: bb:${TAG}\n  environment: {DB: '${DB:-local}'}\n"
RANCHER = "web: {upgrade_strategy: {batch_size: 5, interval_millis: 100}}\n"
IMAGES = ("bb:1", "bb:2", "bb:local")


def images(environment: Environment) -> list[str]:
    """What runs in an environment."""
    rows = Container.all_objects.filter(environment=environment, display_state="running")
    return sorted(rows.values_list("image", flat=True))


@pytest.fixture
def prod(
    lab: Environment, sim: SimulatedDriver, people: Any, actor_of: Any, run_loop: Callable[[], None]
) -> Environment:
    """An environment of alice, with bob as a member and rita as a reader, and a host of its own."""
    members = [
        {"externalId": f"1a{getattr(people, name).pk}", "externalIdType": "rancher_id", "role": role}
        for name, role in (("alice", "owner"), ("bob", "member"), ("rex", "restricted"), ("rita", "readonly"))
    ]
    row = environment_create(actor=actor_of("alice"), name="Prod", members=members)
    host_create(actor=None, environment=row, url="sim://lab2", name="p1")
    for engine in (sim, simulated_engine("lab2")):
        for image in IMAGES:
            engine.local_images.add(image)
    return row


@pytest.fixture
def dev(lab: Environment, prod: Environment, actor_of: Any) -> Stack:
    """The stack in the first environment: version 2, with a variable that Prod has another value for."""
    return stack_create(
        actor=actor_of("bob"),
        environment=lab,
        name="shop",
        docker_compose=FILE,
        rancher_compose=RANCHER,
        variables={"TAG": "2", "DB": "dev-db"},
        start_on_create=True,
    )


@pytest.fixture
def live(dev: Stack, prod: Environment, actor_of: Any, run_loop: Callable[[], None]) -> Stack:
    """The stack in Prod: version 1."""
    row = stack_create(
        actor=actor_of("alice"),
        environment=prod,
        name="shop",
        docker_compose=FILE,
        rancher_compose=RANCHER,
        variables={"TAG": "1", "DB": "prod-db"},
        start_on_create=True,
    )
    run_loop()
    row.refresh_from_db()
    return row


@pytest.fixture
def promote(dev: Stack, prod: Environment, actor_of: Any) -> Callable[..., Promotion]:
    """Request the promotion of the stack, by bob unless somebody else is named."""

    def request(who: str = "bob", **more: Any) -> Promotion:
        wanted = {"source": dev, "environment": prod, "variables": {"TAG": "2"}, **more}
        return promotion_request(PromotionRequest(**wanted), actor=actor_of(who))

    return request


@pytest.fixture
def go(run_loop: Callable[[], None]) -> Callable[[Promotion], str]:
    """Run the loop to rest, whatever was put off; the promotion's state then."""

    def run(row: Promotion) -> str:
        for _again in range(3):
            for model in (Service, Stack, Promotion):
                model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
            run_loop()
            row.refresh_from_db()
            if row.transitioning != "yes":
                break
        return row.display_state

    return run


class SimulatedClock:
    """What time it is for promotions, whatever it is for the rest of the portal."""

    def __init__(self) -> None:
        self.set("2026-06-01 12:00")  # a monday

    def set(self, text: str) -> None:
        """Such as `2026-06-01 22:30`, in UTC."""
        self.moment = datetime.fromisoformat(text).replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The moment that was set."""
        return self.moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimulatedClock:
    """A clock that is set by the test."""
    made = SimulatedClock()
    for module in (reconcile, services):
        monkeypatch.setattr(module, "timezone", made)
    return made
