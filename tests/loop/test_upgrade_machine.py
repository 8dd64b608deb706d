"""Upgrades by people who change their minds on engines that fail: the bounds hold, and what was wanted last is reached.

The real loop on engines in memory. What happens is chosen by Hypothesis; `UPGRADE_EXAMPLES` sets how many histories.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import hypothesis
from django.db import transaction
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.containers.engine import UUID_LABEL
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.cancel import operation_cancel
from apps.control.models import PENDING_STATES, Operation
from apps.control.reconcile import due_rows, reconcile_one
from apps.core.errors import Problem
from apps.drivers.base import EngineContainer
from apps.stacks.models import Service, Slot
from apps.stacks.restart_services import RestartStrategy, service_restart
from apps.stacks.services import service_act, service_create, service_update
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulation import Crash, Simulation

IMAGES = ("bb:local", "bb:two", "bb:three")
ABSENT = "bb:absent"  # until the engines are mended
CRASHING = "bb:crashing"  # likewise: its containers run for a moment, and end before anybody looks again
HISTORIES = hypothesis.settings(
    max_examples=int(os.environ.get("UPGRADE_EXAMPLES", "5")),
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
ENDINGS = ("finishupgrade", "rollback", "cancelupgrade", "cancelrollback")
numbers = st.integers(0, 60)


class Bounds:
    """Between how many containers may run, by all that was requested since everything was last at rest."""

    def __init__(self, scale: int) -> None:
        self.fewest = self.most = scale
        self.stopped, self.added, self.hurt, self.leaving = 0, 0, 0, 0

    def note(self, row: Service) -> None:
        """What is desired now counts from now on."""
        self.most = max(self.most, row.scale)
        self.fewest = min(self.fewest, row.scale if row.desired == "active" else 0)
        for strategy in (row.upgrade, row.restart):
            batch = int(strategy.get("batchSize", 1))
            starts_first = bool(strategy.get("startFirst"))
            self.stopped = max(self.stopped, 0 if starts_first else batch)
            self.added = max(self.added, batch if starts_first else 0)

    @property
    def low(self) -> int:
        return self.fewest - self.stopped - self.hurt

    @property
    def high(self) -> int:
        return self.most + self.added + self.leaving


class UpgradeMachine(RuleBasedStateMachine):
    """One service on two engines."""

    make_world: ClassVar[Any]

    @initialize(scale=st.integers(1, 4))
    def deploy(self, scale: int) -> None:
        """Everything of one example is in one block, which is rolled back."""
        self.crashes = True
        self.block = transaction.atomic()
        self.block.__enter__()
        self.world: Simulation = type(self).make_world(delivers_requeues=False)
        for each in self.world.engines:
            for image in (*IMAGES, CRASHING):
                each.local_images.add(image)
        config = LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGES[0]}"})
        made = service_create(
            actor=self.world.actor, stack=self.world.stack, name="web", config=config, scale=scale, start_on_create=True
        )
        self.key = made.pk
        self.bounds = Bounds(0)
        self.bounds.note(made)
        self.settle()
        assert len(self.running()) == scale

    @property
    def row(self) -> Service:
        found: Service = Service.all_objects.get(pk=self.key)
        return found

    def running(self) -> list[EngineContainer]:
        return [box for _engine, box in self.world.boxes() if box.state == "running"]

    # What people request

    def request(self, call: Any) -> None:
        """What a state does not allow is refused, and nothing happens."""
        with suppress(Problem):
            call(self.row)
        self.bounds.note(self.row)

    @rule(
        image=st.sampled_from([*IMAGES, ABSENT, CRASHING, CRASHING]), batch=st.integers(1, 3), start_first=st.booleans()
    )
    def upgrade(self, image: str, batch: int, *, start_first: bool) -> None:
        config = LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})
        strategy = UpgradeStrategy(batch, 1000, start_first)
        self.request(lambda row: service_upgrade(row, actor=self.world.actor, config=config, strategy=strategy))

    @rule(action=st.sampled_from([*ENDINGS, *ENDINGS, "activate", "deactivate"]))
    def act(self, action: str) -> None:
        self.request(lambda row: service_act(row, action, actor=self.world.actor))

    @rule(scale=st.integers(0, 5))
    def scale(self, scale: int) -> None:
        self.request(lambda row: service_update(row, actor=self.world.actor, scale=scale))

    @rule(batch=st.integers(1, 3))
    def restart(self, batch: int) -> None:
        self.request(lambda row: service_restart(row, actor=self.world.actor, strategy=RestartStrategy(batch, 1000)))

    @rule()
    def undo(self) -> None:
        """Somebody cancels the operation that is under way."""
        found = Operation.all_objects.filter(kind="service", target=self.key, state__in=PENDING_STATES).first()
        if found is not None:
            self.request(lambda _row: operation_cancel(found, actor=self.world.actor))

    @rule(number=st.integers(0, 20))
    def remove(self, number: int) -> None:
        """Rarely: it is the end of the story."""
        if number == 20:
            self.act("remove")

    # What engines and workers suffer

    @rule(name=st.sampled_from(["end", "vanish", "lose", "refuse", "stumble", "die", "cut", "mend"]), number=numbers)
    def suffer(self, name: str, number: int) -> None:
        with suppress(Problem):
            getattr(self.world, name)(number)
        self.bounds.hurt += name in {"end", "vanish", "lose"}
        self.bounds.leaving += name == "lose"  # another takes its place though its engine may not stop it yet

    # What the loop does

    @rule(count=st.integers(1, 12), seconds=st.integers(0, 20))
    def work(self, count: int, seconds: int) -> None:
        self.world.clock.ahead += timedelta(seconds=seconds)
        for kind, key in due_rows()[:count]:
            self.reconcile(kind, key)

    def crash(self) -> None:
        """No event says so: whoever believes what was seen last takes these containers for running ones."""
        for engine, box in self.world.boxes() if self.crashes else ():
            if box.state == "running" and box.image == CRASHING:
                engine.crash(box.id, 3)

    def reconcile(self, kind: str, key: int) -> None:
        self.crash()
        with suppress(Crash):
            reconcile_one(kind, key)
        self.check_bounds()

    @rule()
    def settle(self) -> None:
        """Time passes until nothing is to be done; then everything counts anew."""
        for _round in range(40):
            self.world.clock.ahead += timedelta(seconds=20)
            for kind, key in due_rows():
                self.reconcile(kind, key)
            if self.is_at_rest():
                self.bounds = Bounds(len(self.running()))
                self.bounds.note(self.row)
                return

    def is_at_rest(self) -> bool:
        self.crash()
        row, there = self.row, Container.all_objects.filter(spread_key=str(self.row.uuid), removed=None)
        if row.transitioning != "no" or any(each.transitioning != "no" for each in there):
            return False
        return len(self.running()) == (row.scale if row.desired == "active" else 0)

    # What holds at any time

    @invariant()
    def check_bounds(self) -> None:
        """Neither fewer nor more run than the order and the batch allow; one that crashes at once counts as none."""
        if not hasattr(self, "bounds"):
            return
        self.crash()
        running = self.running()
        assert self.bounds.low <= len(running) <= self.bounds.high, (self.bounds.__dict__, running)
        found = Counter(box.labels.get(UUID_LABEL) for _engine, box in self.world.boxes())
        assert not [uuid for uuid, times in found.items() if times > 1], "two containers of one row"

    def teardown(self) -> None:
        if not hasattr(self, "block"):
            return
        try:
            self.check_end()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    def check_end(self) -> None:
        """All accidents over, what was wanted last is there, whatever came before; then the upgrade is decided."""
        self.crashes = False
        for each in self.world.engines:
            each.local_images.add(ABSENT)
        self.rest()
        row = self.row
        wanted = {"upgrading": "upgraded", "canceled": "canceled-upgrade", "canceled-rollback": "canceled-rollback"}
        phase = row.upgrade_phase if row.desired == "active" else ""
        assert (row.display_state, row.transitioning) == (wanted.get(phase, row.desired), "no"), row.message
        if row.display_state in {"upgraded", "canceled-upgrade", "canceled-rollback"}:
            self.act("finishupgrade")
            self.rest()
        row = self.row
        slots = list(Slot.objects.filter(service=row).select_related("container"))
        states = Counter((box.image, box.state) for _engine, box in self.world.boxes())
        if row.desired == "removed":
            assert (slots, states) == ([], {})
            return
        assert row.display_state == row.desired
        if row.desired == "active":
            assert states == ({(row.image, "running"): row.scale} if row.scale else {})
        else:
            assert not self.running()
        assert not [slot for slot in slots if slot.successor_id]
        assert not Container.all_objects.filter(kept_by__service=row, removed=None).exists() or row.upgrade_phase
        living = Container.all_objects.filter(spread_key=str(row.uuid), removed=None, desired="running")
        assert row.desired != "active" or len(living) == len(slots) == row.scale
        assert not Operation.all_objects.filter(state__in=PENDING_STATES).exists()

    def rest(self) -> None:
        """By the clock alone each batch takes a few rounds."""
        for _round in range(4):
            self.world.rest()
            if self.is_at_rest():
                return


def test_the_bounds_hold_and_what_was_wanted_last_is_reached(world: Any, settings: Any) -> None:
    settings.MIN_READY_SECONDS = 5
    UpgradeMachine.make_world = staticmethod(world)
    run_state_machine_as_test(UpgradeMachine, settings=HISTORIES)
