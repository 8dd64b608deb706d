"""Upgrades that are judged, on an engine in memory: held, let go on, stopped, rolled back, finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import fail_overdue, release_all_leases
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, service_update, stack_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from apps.stacks.verdict import observer
from apps.stacks.verdict.continuing import service_continue_upgrade
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.observer import judge_upgrades

BOTH = {"minutes": 5, "onGood": "finish", "onBad": "rollback"}

pytestmark = pytest.mark.faces

Loop = Callable[[], None]


def config(image: str = "docker:bb:new", **more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": image, **more})


class Play:
    """A service whose time goes on by hand."""

    def __init__(self, row: Service, run_loop: Loop) -> None:
        self.row, self._run_loop, self.now = row, run_loop, timezone.now()

    def settle(self) -> Service:
        """Run the loop until it has nothing to do; pauses between batches and before restarts are over at once."""
        for _ in range(12):
            self.row.refresh_from_db()
            over = {**self.row.status, "next_batch_at": None}
            Service.all_objects.filter(pk=self.row.pk).update(status=over, next_attempt_at=self.row.created)
            self._run_loop()
            self.row.refresh_from_db()
            if not self.row.status.get("next_batch_at"):
                break
        return self.row

    def watch(self, seconds: float) -> UpgradeObservation:
        """Let the job look now and then for so long, and the loop follow."""
        self.now = max(self.now, timezone.now())  # a busy machine's own clock may be ahead of what is played
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + timedelta(seconds=50))
            judge_upgrades(self.now)
        self.settle()
        return UpgradeObservation.objects.filter(service=self.row).latest("pk")

    def until_ended(self) -> UpgradeObservation:
        """Watch, a few seconds at a time, until the policy was followed; crashes take the loop a few turns."""
        for _ in range(15):
            found = self.watch(5)
            if found.ended:
                return found
        raise AssertionError(f"still {found.verdict}: {found.summary}")

    def images(self) -> list[tuple[str, str]]:
        rows = Container.all_objects.filter(spread_key=str(self.row.uuid), removed=None)
        return sorted((each.image, each.display_state) for each in rows)

    def running(self, image: str) -> int:
        return self.images().count((image, "running"))


@pytest.fixture(autouse=True)
def restarts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first restarts of what crashes do not wait for the clock; later ones do, or there is no end."""
    monkeypatch.setattr("apps.containers.reconcile.crash_restart_delay", lambda crashes: 0.0 if crashes < 4 else 60.0)


@pytest.fixture
def play(lab: Environment, host: Host, actor_of: Any, run_loop: Loop, sim: SimulatedDriver) -> Play:
    """Three running containers of the old image."""
    sim.local_images.add("bb:new")
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    row = service_create(
        actor=actor_of("bob"), stack=stack, name="web", config=config("docker:bb:local"), scale=3, start_on_create=True
    )
    found = Play(row, run_loop)
    found.settle()
    return found


def upgrade(play: Play, actor: Any, image: str = "docker:bb:new", verdict: Any = None, **more: Any) -> None:
    strategy = UpgradeStrategy(interval_ms=100, start_first=True, verdict=BOTH if verdict is None else verdict)
    service_upgrade(play.row, actor=actor, config=config(image, **more), strategy=strategy)
    play.settle()


def test_a_good_upgrade_is_held_then_goes_on_and_finishes_by_itself(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"))
    assert (play.running("bb:new"), play.running("bb:local")) == (1, 2)
    found = play.watch(250)
    assert (found.stage, found.verdict) == ("first-batch", "watching")
    assert play.running("bb:new") == 1, "held"
    found = play.watch(110)
    assert (found.stage, play.row.display_state) == ("rest", "upgraded")
    found = play.watch(200)
    assert (found.stage, found.verdict, play.row.display_state) == ("all", "watching", "upgraded")
    found = play.watch(160)
    assert (found.verdict, found.outcome) == ("good", "finished")
    assert (play.row.display_state, play.images()) == ("active", [("bb:new", "running")] * 3)
    assert judge_upgrades(play.now + timedelta(hours=1)) == 0, "nobody looks any more"


def test_a_crash_loop_is_rolled_back_at_once_while_the_old_ones_serve(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"), command=["sh", "-c", "exit 3"])
    assert (play.watch(5).ended, play.running("bb:local")) == (None, 3)
    found = play.until_ended()
    assert (found.verdict, found.outcome) == ("bad", "rolled-back")
    assert "exit code 3" in found.summary
    assert (play.row.display_state, play.row.revision) == ("active", 3)
    assert play.images() == [("bb:local", "running")] * 3
    entry = AuditEntry.all_objects.filter(event__endswith="rollback").latest("pk")
    assert "exit code 3" in str(entry.request)


def test_a_bad_one_is_stopped_where_it_is_when_a_person_is_to_decide(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"), command=["false"], verdict={"minutes": 5})
    found = play.until_ended()
    assert (found.verdict, found.outcome) == ("bad", "stopped")
    assert (play.row.display_state, play.running("bb:local")) == ("canceled-upgrade", 3)
    service_upgrade_step(play.row, "rollback", actor=actor_of("bob"))
    assert play.settle().display_state == "active"
    assert play.images() == [("bb:local", "running")] * 3


def test_what_cannot_start_at_all_is_bad_after_a_while(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"), image="docker:bb:absent")
    assert play.watch(20).verdict == "watching"
    play.watch(50)
    found = play.until_ended()
    assert (found.verdict, found.outcome, play.settle().display_state) == ("bad", "rolled-back", "active")
    assert play.images() == [("bb:local", "running")] * 3


def test_a_person_may_decide_otherwise_at_any_time(play: Play, actor_of: Any) -> None:
    bob = actor_of("bob")
    upgrade(play, bob)
    play.watch(50)
    service_upgrade_step(play.row, "cancelupgrade", actor=bob)
    found = play.watch(600)
    assert (found.outcome, play.row.display_state) == ("by-hand", "canceled-upgrade")
    service_upgrade_step(play.row, "finishupgrade", actor=bob)
    assert play.settle().display_state == "active"
    assert play.images() == [("bb:new", "running")] * 3


def test_a_person_is_asked_about_a_good_one(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"), verdict={"minutes": 1})
    play.watch(120)
    found = play.watch(120)
    assert (found.verdict, found.outcome, play.row.display_state) == ("good", "asked", "upgraded")


def test_time_in_which_nobody_watched_is_added(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"))
    play.watch(50)
    play.now += timedelta(hours=2)
    found = play.watch(50)
    assert (found.stage, found.verdict) == ("first-batch", "watching")
    assert found.away >= 7200
    assert play.watch(300).stage == "rest"


def test_an_unhealthy_batch_is_bad_unless_the_old_ones_are_as_well(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"))
    everything = Container.all_objects.filter(spread_key=str(play.row.uuid))
    new = everything.filter(image="bb:new")
    everything.update(health="unhealthy")
    for each in new:
        each.events.create(environment=each.environment, spread_key=each.spread_key, kind="unhealthy")
    play.now += timedelta(seconds=40)
    judge_upgrades(play.now)
    assert UpgradeObservation.objects.get().verdict == "watching", "a cause that both have"
    everything.exclude(image="bb:new").update(health="healthy")
    judge_upgrades(play.now + timedelta(seconds=5))
    assert UpgradeObservation.objects.get().verdict == "bad"


def test_an_upgrade_of_everything_at_once_is_watched_once(play: Play, actor_of: Any) -> None:
    strategy = UpgradeStrategy(batch_size=3, interval_ms=100, verdict=BOTH)
    service_upgrade(play.row, actor=actor_of("bob"), config=config(), strategy=strategy)
    assert play.settle().display_state == "upgraded"
    assert play.watch(50).stage == "all"
    assert (play.watch(320).outcome, play.settle().display_state) == ("finished", "active")


# What is done about a bad verdict, twice over: it is canceled, then rolled back.
STEPS = ("service_upgrade_step", "note_progress", "record", "_save")


@pytest.mark.parametrize("kill_at", range(1, 2 * len(STEPS) + 1))
def test_whoever_is_killed_at_any_step_leaves_an_upgrade_that_is_rolled_back_all_the_same(
    play: Play, actor_of: Any, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    upgrade(play, actor_of("bob"), command=["false"])
    steps, save = 0, observer._save

    def killing(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **more: Any) -> Any:
            nonlocal steps
            counts = step is not save or "outcome" in more
            steps += counts
            if counts and steps == kill_at:
                raise SystemExit  # as near to a kill as a test comes: nothing after it is done
            return step(*arguments, **more)

        return run

    for name in STEPS:
        monkeypatch.setattr(observer, name, killing(getattr(observer, name)))
    with pytest.raises(SystemExit):
        play.until_ended()
    release_all_leases()  # as the portal does when it starts again
    found = play.until_ended()
    assert (found.outcome, play.settle().display_state) == ("rolled-back", "active")
    assert play.images() == [("bb:local", "running")] * 3
    assert AuditEntry.all_objects.filter(event="service.rollback").count() == 1


def test_the_service_says_how_its_upgrades_are_judged_and_each_may_say_otherwise(play: Play, actor_of: Any) -> None:
    bob = actor_of("bob")
    service_update(play.row, actor=bob, verdict_settings={"minutes": 7})
    play.settle()
    service_upgrade(
        play.row, actor=bob, config=config(), strategy=UpgradeStrategy(interval_ms=100, verdict={"minutes": 0})
    )
    assert play.settle().display_state == "upgraded"
    assert not UpgradeObservation.objects.exists()
    service_upgrade_step(play.row, "finishupgrade", actor=bob)
    play.settle()
    service_upgrade(play.row, actor=bob, config=config("docker:bb:local"), strategy=UpgradeStrategy(interval_ms=100))
    assert UpgradeObservation.objects.get().settings == {
        "minutes": 7,
        "onGood": "ask",
        "onBad": "ask",
        "errorPattern": "",
    }


def test_a_judged_upgrade_may_take_its_time(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"), verdict={"minutes": 60})
    pending = Operation.all_objects.filter(name="service.upgrade", state="running")
    assert pending.count() == 1
    assert fail_overdue(timezone.now() + timedelta(hours=3)) == 0
    assert fail_overdue(timezone.now() + timedelta(hours=5)) == 1


REFUSED: dict[str, tuple[Any, str, str]] = {
    "a text": ("10", "verdict", "InvalidFormat"),
    "no time": ({"minutes": -1}, "verdict.minutes", "MinLimitExceeded"),
    "more than a day": ({"minutes": 1441}, "verdict.minutes", "MaxLimitExceeded"),
    "half a minute": ({"minutes": 0.5}, "verdict.minutes", "InvalidFormat"),
    "a truth": ({"minutes": True}, "verdict.minutes", "InvalidFormat"),
    "an unknown field": ({"minuets": 5}, "verdict.minuets", "InvalidOption"),
    "a wrong word": ({"onGood": "rollback"}, "verdict.onGood", "InvalidOption"),
    "a pattern that may be slow": ({"errorPattern": "(a+)+$"}, "verdict.errorPattern", "InvalidOption"),
    "no word": ({"onBad": ["rollback"]}, "verdict.onBad", "InvalidOption"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_are_checked(play: Play, actor_of: Any, case: str) -> None:
    sent, field, code = REFUSED[case]
    with pytest.raises(Invalid) as refused:
        upgrade(play, actor_of("bob"), verdict=sent)
    assert (refused.value.field, refused.value.code) == (field, code)
    assert not UpgradeObservation.objects.exists()


def test_a_person_may_have_the_others_follow_without_the_verdict_on_the_first(play: Play, actor_of: Any) -> None:
    bob = actor_of("bob")
    upgrade(play, bob)
    play.watch(50)
    assert play.running("bb:new") == 1, "held"
    with pytest.raises(Forbidden):
        service_continue_upgrade(play.row, actor=actor_of("rita"))
    service_continue_upgrade(play.row, actor=bob)
    play.watch(50)
    found = play.watch(50)
    assert (found.stage, found.verdict, play.row.display_state) == ("all", "watching", "upgraded")
    assert play.running("bb:new") == 3
    assert AuditEntry.all_objects.filter(event="service.continueupgrade").count() == 1
    with pytest.raises(ActionNotAvailable):
        service_continue_upgrade(play.row, actor=bob)
    assert play.watch(360).outcome == "finished", "all of them are watched all the same"


def test_who_continues_while_somebody_looks_is_not_overruled(
    play: Play, actor_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(play, actor_of("bob"))
    play.watch(50)
    look = observer._follow_stage

    def continued_meanwhile(*arguments: Any, **more: Any) -> None:
        monkeypatch.setattr(observer, "_follow_stage", look)
        service_continue_upgrade(play.row, actor=actor_of("bob"))
        look(*arguments, **more)

    monkeypatch.setattr(observer, "_follow_stage", continued_meanwhile)
    judge_upgrades(play.now + timedelta(seconds=10))
    assert UpgradeObservation.objects.get().stage == "rest"


def test_what_is_bad_later_still_counts_after_continuing(play: Play, actor_of: Any) -> None:
    upgrade(play, actor_of("bob"))
    service_continue_upgrade(play.row, actor=actor_of("bob"))
    play.watch(5)
    new = Container.all_objects.filter(spread_key=str(play.row.uuid), image="bb:new")
    new.update(health="unhealthy")
    for each in new:
        each.events.create(environment=each.environment, spread_key=each.spread_key, kind="unhealthy")
    play.now += timedelta(seconds=40)
    judge_upgrades(play.now)
    assert play.until_ended().outcome == "rolled-back"
    assert play.settle().display_state == "active"
