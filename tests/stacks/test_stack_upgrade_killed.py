"""The portal is killed at every write of a whole stack's upgrade by file: it ends as desired all the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from apps.containers.models import Container
from apps.control.models import PENDING_STATES, Operation
from apps.control.reconcile import release_all_leases
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import stack_create
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import stack_act, stack_upgrade

pytestmark = pytest.mark.faces

RANCHER = "web: {scale: 2, upgrade_strategy: {batch_size: 2, interval_millis: 100}}\n"
BEFORE = "web: {image: 'bb:local', links: ['db:store']}\ndb: {image: 'bb:local'}\nold: {image: 'bb:local'}\n"
AFTER = "web: {image: 'bb:new', links: ['cache:store']}\ndb: {image: 'bb:local'}\ncache: {image: 'bb:local'}\n"
LIVES = 9  # how many processes of the loop are killed, each of which lives for one write more than the one before
PAST = "2020-01-01T00:00:00Z"


class Killer:
    """Ends the process, as near as a test comes to it, before one write to the database after the other."""

    def __init__(self, first: int, lives: int = 1) -> None:
        self._next, self._left, self._lives, self.kills = first + 1, first, lives, 0

    def __call__(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if self.kills < self._lives and sql.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            self._left -= 1
            if self._left < 0:
                self.kills += 1
                self._left, self._next = self._next, self._next + 1
                raise SystemExit
        return execute(sql, *arguments)


@pytest.fixture
def shop(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]) -> Stack:
    sim.local_images.add("bb:new")
    row = stack_create(
        actor=actor_of("bob"), environment=lab, name="shop", docker_compose=BEFORE, rancher_compose=RANCHER,
        start_on_create=True,
    )  # fmt: skip
    run_loop()
    row.refresh_from_db()
    return row


def settle(shop: Stack, run_loop: Callable[[], None], killer: Killer) -> str:
    """Start the portal anew whenever it was killed, until it has nothing left to do, whatever was put off."""
    quiet = 0
    while quiet < 3:
        kills = killer.kills
        with dying(), connection.execute_wrapper(killer):
            release_all_leases()
            for model in (Container, Service, Stack):
                model.all_objects.filter(removed=None).update(next_attempt_at=PAST)
            run_loop()
        quiet = quiet + 1 if killer.kills == kills else 0
    shop.refresh_from_db()
    return shop.display_state


@contextlib.contextmanager
def dying() -> Iterator[None]:
    with contextlib.suppress(SystemExit):
        yield


def running() -> list[tuple[str, str]]:
    rows = Container.all_objects.filter(removed=None, display_state="running")
    return sorted((each.name.split("_")[1], each.image) for each in rows)


def test_whoever_is_killed_while_requesting_it_has_done_nothing(shop: Stack, actor_of: Any) -> None:
    """Who gets no answer may send it again: it is all or nothing, before whichever write the process dies."""
    files = StackFiles(AFTER, RANCHER, remove_missing=True)
    for writes in range(500):
        killer = Killer(writes)
        with dying(), connection.execute_wrapper(killer):
            stack_upgrade(shop, files, actor=actor_of("bob"))
        shop.refresh_from_db()
        if not killer.kills:
            break
        assert not shop.upgrade
        assert set(Service.all_objects.values_list("name", "revision")) == {("web", 1), ("db", 1), ("old", 1)}
    assert writes > 20, "it has many more writes than that"
    assert shop.display_state == "upgrading"


@pytest.mark.parametrize("first", [0, 4, 9, 15])
def test_a_loop_that_is_killed_again_and_again_comes_to_the_same_end(
    shop: Stack, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None], first: int
) -> None:
    stack_upgrade(shop, StackFiles(AFTER, RANCHER, remove_missing=True), actor=actor_of("bob"))
    killer = Killer(first, LIVES)
    assert settle(shop, run_loop, killer) == "upgraded"
    assert killer.kills == LIVES
    stack_act(shop, "finishupgrade", actor=actor_of("bob"))
    killer = Killer(first, LIVES)
    assert settle(shop, run_loop, killer) == "active"
    assert killer.kills > 0
    assert running() == [("cache", "bb:local"), ("db", "bb:local"), ("web", "bb:new"), ("web", "bb:new")]
    assert {each.name for each in Service.all_objects.filter(removed=None)} == {"web", "db", "cache"}
    known = set(Container.all_objects.filter(removed=None).values_list("external_id", flat=True))
    assert {each.id for each in sim.containers()} == known, "nothing on the engine that nobody knows"
    assert not Operation.all_objects.filter(state__in=PENDING_STATES).exists()
