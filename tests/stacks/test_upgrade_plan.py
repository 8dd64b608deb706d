"""The plan of an upgrade as a pure function, played on a model of containers that start, stop, fail and vanish."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.plan import SlotView, plan_service
from apps.stacks.upgrade import CANCELED, KEEPING, PAUSED, ROLLING_BACK, UPGRADING, Rollout, UpgradePlan, plan_upgrade


@dataclass
class Box:
    """One container of the model."""

    key: int
    revision: int
    desired: str = "running"
    state: str = "creating"


@dataclass
class Place:
    """One slot of the model."""

    box: Box | None = None
    successor: Box | None = None
    previous: Box | None = None


@dataclass
class Model:
    """A service with its slots: `turn` is one reconcile, `advance` what happens on the engines."""

    scale: int
    batch: int
    start_first: bool
    revision: int = 1
    before: int = 1
    phase: str = ""
    broken: set[int] = field(default_factory=set)
    places: dict[int, Place] = field(default_factory=dict)
    boxes: list[Box] = field(default_factory=list)

    def make(self) -> Box:
        self.boxes.append(Box(len(self.boxes) + 1, self.revision))
        return self.boxes[-1]

    def view(self, number: int) -> SlotView:
        place = self.places[number]
        box, kept = place.box, place.previous
        return SlotView(
            number,
            box.key if box else None,
            box.desired if box else "",
            box.state if box else "",
            successor=place.successor.key if place.successor else None,
            successor_ready=place.successor is not None and place.successor.state == "running",
            is_outdated=self.phase not in PAUSED and box is not None and box.revision != self.revision,
            previous=kept.key if kept else None,
            previous_is_current=kept is not None and kept.revision == self.revision,
            previous_is_stopping=kept is not None and kept.state != "stopped",
        )

    def turn(self) -> int:
        """One reconcile; returns how much is left."""
        views = [self.view(number) for number in sorted(self.places)]
        steps = plan_service("active", self.scale, views)
        rollout = Rollout(self.batch, self.start_first, keeps_previous=self.phase in KEEPING)
        todo = plan_upgrade(rollout, [each for each in views if each.number not in steps.drop], steps.waiting)
        by_key = {box.key: box for box in self.boxes}
        for number in steps.promote + steps.recall:
            place = self.places[number]
            place.box = place.successor if number in steps.promote else place.box
            place.successor = None
        for number in steps.fill:
            self.places.setdefault(number, Place()).box = self.make()
        for key in steps.start:
            by_key[key].desired = "running"
        for key in steps.remove:
            by_key[key].desired = "removed"
        self.upgrade(todo)
        return steps.waiting + todo.left

    def upgrade(self, todo: UpgradePlan) -> None:
        for number in todo.stop:
            self.places[number].box.desired = "stopped"  # type: ignore[union-attr]
        for number in todo.discard:
            self.places[number].previous.desired = "removed"  # type: ignore[union-attr]
            self.places[number].previous = None
        for number in todo.surge:
            self.places[number].successor = self.next_box(self.places[number])
        for number in todo.replace:
            self.swap(self.places[number], self.next_box(self.places[number]))
        for number in todo.promote:
            place = self.places[number]
            successor, place.successor = place.successor, None
            self.swap(place, successor)

    def next_box(self, place: Place) -> Box:
        if place.previous is not None and place.previous.revision == self.revision:
            kept, place.previous = place.previous, None
            kept.desired = "running"
            return kept
        return self.make()

    def swap(self, place: Place, box: Box | None) -> None:
        old, place.box = place.box, box
        if self.phase == UPGRADING:
            if place.previous is not None:
                place.previous.desired = "removed"
            place.previous = old
        if old is not None:
            old.desired = "stopped" if self.phase == UPGRADING else "removed"

    def advance(self, box: Box) -> None:
        """The engine does what is desired of one container, unless its revision is broken."""
        if box.desired == "running":
            box.state = "error" if box.revision in self.broken else "running"
        else:
            box.state = "stopped" if box.desired == "stopped" else "removed"

    @property
    def running(self) -> int:
        return sum(box.state == "running" for box in self.boxes)

    def settle(self) -> None:
        for _ in range(20 * (self.scale + 1)):
            left = self.turn()
            for box in self.boxes:
                self.advance(box)
            left = left and left + self.turn()
            if not left:
                return

    def start(self, phase: str, revision: int) -> None:
        self.before, self.revision, self.phase = self.revision, revision, phase

    def in_slots(self) -> list[int]:
        return [place.box.revision for place in self.places.values() if place.box is not None]


def service(scale: int, batch: int, *, start_first: bool) -> Model:
    model = Model(scale, batch, start_first)
    model.settle()
    assert model.in_slots() == [1] * scale
    return model


sizes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.booleans())


@given(sizes, st.integers(0, 1_000_000))
def test_an_upgrade_never_leaves_the_bounds_of_its_batch(size: tuple[int, int, bool], seed: int) -> None:
    scale, batch, start_first = size
    model = service(scale, batch, start_first=start_first)
    model.start(UPGRADING, 2)
    left, chance = 1, random.Random(seed)  # noqa: S311
    for _ in range(500):
        left = model.turn()
        busy = [box for box in model.boxes if box.state != {"removed": "removed"}.get(box.desired, box.desired)]
        for box in chance.sample(busy, chance.randint(0, len(busy))):
            model.advance(box)
            assert model.running >= (scale if start_first else scale - batch)
            assert model.running <= scale + (batch if start_first else 0)
        if not left and not busy:
            break
    assert not left
    assert model.in_slots() == [2] * scale
    assert [place.previous.revision for place in model.places.values() if place.previous] == [1] * scale


def happen(model: Model, event: str) -> None:
    """A changed mind, or something that goes wrong on an engine."""
    box = model.places[min(model.places)].box
    if event == "again":
        model.start(UPGRADING, max(model.revision, model.before) + 1)
    elif event == "back":
        model.start(ROLLING_BACK, model.before)
    elif event in {"cancel", "finish"}:
        model.phase = CANCELED if event == "cancel" else ""
    elif event in {"crash", "vanish"} and box is not None:
        box.state = "error" if event == "crash" else "removed"
        box.desired = box.desired if event == "crash" else "removed"


@given(sizes, st.lists(st.sampled_from(["go", "cancel", "back", "finish", "crash", "again", "vanish"]), max_size=14))
def test_what_is_wanted_last_is_reached_whatever_came_before(size: tuple[int, int, bool], history: list[str]) -> None:
    scale, batch, start_first = size
    model = service(scale, batch, start_first=start_first)
    for event in history:
        happen(model, event)
        model.turn()
        for box in model.boxes[::2]:
            model.advance(box)
    model.phase = model.phase if model.phase in {"", UPGRADING, ROLLING_BACK} else ""
    model.settle()
    assert model.in_slots() == [model.revision] * scale
    assert model.running == scale
    if model.phase != UPGRADING:
        assert all(place.previous is None for place in model.places.values())
        assert sum(box.state != "removed" for box in model.boxes) == scale


@pytest.mark.parametrize("start_first", [False, True])
def test_a_broken_revision_stops_at_its_first_batch_and_goes_back(*, start_first: bool) -> None:
    model = service(6, 2, start_first=start_first)
    model.broken = {2}
    model.start(UPGRADING, 2)
    model.settle()
    assert model.running == (6 if start_first else 4)
    model.start(ROLLING_BACK, 1)
    model.settle()
    assert model.in_slots() == [1] * 6
    assert model.running == 6
    assert sum(box.state != "removed" for box in model.boxes) == 6


def test_a_canceled_one_replaces_nothing_more() -> None:
    model = service(6, 2, start_first=False)
    model.start(UPGRADING, 2)
    model.turn()
    model.phase = CANCELED
    model.settle()
    assert model.in_slots() == [1] * 6


def test_the_interval_is_waited_for() -> None:
    views = [SlotView(1, 7, "running", "running", is_outdated=True)]
    assert plan_upgrade(Rollout(may_begin=False), views, 0).begun == ()
    assert plan_upgrade(Rollout(may_begin=True), views, 0).begun == (1,)
    assert plan_upgrade(Rollout(may_begin=True), views, busy=1).begun == ()


slot_states = st.sampled_from(["creating", "running", "stopping", "stopped", "error", "removing"])
any_slots = st.builds(
    SlotView,
    number=st.just(1),
    container=st.sampled_from([None, 1]),
    desired=st.sampled_from(["running", "stopped", "removed"]),
    state=slot_states,
    is_finished=st.booleans(),
    must_leave=st.booleans(),
    successor=st.sampled_from([None, 2]),
    successor_ready=st.booleans(),
    successor_must_leave=st.booleans(),
    is_outdated=st.booleans(),
    previous=st.sampled_from([None, 3]),
    previous_is_current=st.booleans(),
    previous_must_leave=st.booleans(),
    sidekicks_outdated=st.booleans(),
    sidekicks_begun=st.booleans(),
)


@given(any_slots, st.booleans(), st.booleans())
def test_no_slot_is_given_a_container_by_both_plans(slot: SlotView, start_first: bool, keeps: bool) -> None:
    steps = plan_service("active", 1, [slot])
    todo = plan_upgrade(Rollout(1, start_first, keeps), [slot], steps.waiting)
    assert not {*steps.fill, *steps.surge, *steps.promote} & {*todo.stop, *todo.replace, *todo.surge, *todo.promote}
    assert not {*steps.start, *steps.stop, *steps.remove} & {slot.container} or not {*todo.stop, *todo.replace}
    assert not {*steps.recall} & {*todo.promote, *todo.surge, *todo.replace}


@given(any_slots)
def test_every_slot_that_is_not_up_to_date_is_in_one_plan(slot: SlotView) -> None:
    steps = plan_service("active", 1, [slot])
    todo = plan_upgrade(Rollout(1), [slot], steps.waiting)
    if slot.is_outdated or slot.is_empty or slot.must_leave:
        assert steps.waiting or todo.left


@pytest.mark.parametrize("start_first", [False, True])
def test_a_first_batch_that_has_to_prove_itself_is_followed_by_none(*, start_first: bool) -> None:
    fresh = SlotView(1, 11, "running", "running", previous=1)
    old = [SlotView(number, number, "running", "running", is_outdated=True) for number in (2, 3, 4)]
    held = Rollout(2, start_first, keeps_previous=True, holds_after_first=True)
    none_yet = [SlotView(1, 1, "running", "running", is_outdated=True), *old]
    assert plan_upgrade(held, none_yet, 0).begun == (1, 2), "the first batch itself is not held"
    assert plan_upgrade(held, [fresh, *old], 0).begun == ()
    assert plan_upgrade(held, [fresh, *old], 0).left == 3
    assert plan_upgrade(replace(held, holds_after_first=False), [fresh, *old], 0).begun == (2, 3)


def test_what_waits_for_a_port_comes_after_all_others_and_is_not_made_again() -> None:
    kept: dict[str, Any] = {"state": "running", "desired": "running", "is_outdated": True}
    views = [SlotView(number, number, previous=number + 10, previous_is_current=True, **kept) for number in (1, 2)]
    views[0] = replace(views[0], previous_waits_for_port=True)
    assert plan_upgrade(Rollout(), views, 0).begun == (2,)
    stopped = replace(views[0], state="stopped", desired="stopped")
    last = plan_upgrade(Rollout(), [views[0]], 0)
    assert (last.begun, last.stop, last.discard) == ((1,), (1,), ())
    assert plan_upgrade(Rollout(), [stopped], 0).replace == (1,)
