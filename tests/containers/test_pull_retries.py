"""A pull that fails while containers of services wait for it is tried again, ever less often, as one operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers import services
from apps.containers.launch.config import LaunchConfig
from apps.containers.lifecycle import pull_retry_delay
from apps.containers.models import Container, Pull
from apps.containers.pull_attempts import PullAttempts
from apps.containers.services import (
    container_act,
    container_create,
    image_copy,
    pull_again,
)
from apps.control import services as control
from apps.control.cancel import operation_retry
from apps.control.models import Operation, OperationLine
from apps.control.reconcile import fail_overdue, reconcile_one
from apps.core.result import ReconcileResult
from apps.drivers.base import EngineDown, EngineError, PullProgress
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.stacks.models import Service
from apps.stacks.services import (
    service_act,
    service_create,
    service_update,
    stack_create,
)

IMAGE = "nowhere/web:1"
Later = Callable[..., None]


@pytest.fixture
def later(run_loop: Callable[[], None]) -> Later:
    """Lets time pass, several times: whatever waits for its next attempt is reconciled."""

    def wait(times: int = 1) -> None:
        for _ in range(times):
            make_due()
            run_loop()

    return wait


@pytest.fixture
def service(lab: Environment, host: Host, actor_of: Any, later: Later) -> Service:
    """A service of two containers whose image nobody has."""
    made = service_create(
        actor=actor_of("alice"),
        stack=stack_create(actor=actor_of("alice"), environment=lab, name="shop"),
        name="web",
        config=LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGE}"}),
        scale=2,
        start_on_create=True,
    )
    later()
    return made


def make_due() -> None:
    """As if all had waited for as long as they wanted to."""
    now = timezone.now()
    for model in (Service, Container, Pull):
        model.all_objects.exclude(next_attempt_at=None).update(next_attempt_at=now)
    for row in Pull.all_objects.exclude(status={}):
        tries = row.status.get("tries", {})
        row.status = {**row.status, "tries": {**tries, "due": now.isoformat()}} if tries.get("due") else row.status
        row.save(update_fields=["status"])


def try_now() -> None:
    make_due()
    reconcile_one("pull", the_pull().pk)


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def the_pull() -> Pull:
    row: Pull = Pull.all_objects.get(image=IMAGE)
    return row


def operations() -> list[tuple[str, str]]:
    rows = Operation.all_objects.filter(kind="pull").order_by("pk")
    return [(each.name, each.state) for each in rows]


def lines() -> list[str]:
    return list(OperationLine.objects.filter(operation__kind="pull").order_by("pk").values_list("text", flat=True))


def states() -> set[str]:
    return set(Container.all_objects.filter(removed=None).values_list("display_state", flat=True))


def test_it_is_one_operation_however_often_it_is_tried(service: Service, later: Later, sim: SimulatedDriver):
    before = Operation.all_objects.count()
    later(times=20)
    assert sim.calls["pull"] >= 20
    assert operations() == [("pull.create", "failed")]
    assert Operation.all_objects.count() == before


def test_it_tells_how_often_since_when_why_and_when_it_is_tried_next(service: Service, later: Later):
    later(times=9)
    row, operation = the_pull(), Operation.all_objects.get(kind="pull")
    tries = PullAttempts.from_pull(row)
    assert operation.message == row.message == tries.summary
    assert tries.failed == operation.attempts >= 9
    assert f" UTC: {IMAGE} could not be pulled: pull access denied" in row.message
    assert operation.ended
    assert operation.ended.isoformat() >= tries.last
    assert {each.message for each in Container.all_objects.all()} == {
        "Image pull failed: There is no such repository at Docker Hub, or it is private."
    }


def test_the_tries_come_ever_less_often(service: Service, later: Later):
    pauses = []
    for _ in range(8):
        row = the_pull()
        assert row.next_attempt_at
        assert row.observed_at
        pauses.append(round((row.next_attempt_at - row.observed_at).total_seconds()))
        try_now()
    assert pauses[0] <= 30
    assert pauses == sorted(pauses)
    assert pauses[-1] == 300


@pytest.mark.parametrize(
    ("tries", "seconds"), [(1, 15), (2, 30), (3, 60), (4, 120), (5, 240), (6, 300), (7, 300), (10**9, 300)]
)
def test_the_pause_between_two_tries(tries: int, seconds: float):
    assert pull_retry_delay(tries) == seconds


def test_it_succeeds_as_the_same_operation_once_the_image_is_there(
    service: Service, later: Later, sim: SimulatedDriver
):
    later(times=3)
    failed = PullAttempts.from_pull(the_pull()).failed
    sim.registry.add(IMAGE)
    later(times=2)
    assert operations() == [("pull.create", "succeeded")]
    assert (the_pull().display_state, the_pull().status, the_pull().next_attempt_at) == (
        "pulled",
        {"percent": 100},
        None,
    )
    assert lines()[-1] == f"Done at try {failed + 1}."
    assert states() == {"running"}


def test_a_line_is_added_when_the_reason_is_another(service: Service, later: Later, sim: SimulatedDriver):
    later(times=3)
    sim.fail_next("pull", EngineError("toomanyrequests"), times=3)
    later(times=3)
    first, second = lines()[:2]
    assert first.startswith(f"Try 1: {IMAGE} could not be pulled: pull access denied")
    assert second.endswith(f"{IMAGE} could not be pulled: toomanyrequests")
    assert len(lines()) <= 3


def test_who_asks_for_it_again_gets_an_operation_of_its_own(service: Service, later: Later, actor_of: Any):
    later(times=3)
    operation_retry(Operation.all_objects.get(kind="pull"), actor=actor_of("alice"))
    later(times=3)
    assert operations() == [("pull.create", "failed"), ("pull.create", "failed")]
    newest = Operation.all_objects.filter(kind="pull").latest("pk")
    assert newest == Operation.all_objects.get(kind="pull", account__login="alice")
    assert PullAttempts.from_pull(the_pull()).failed == newest.attempts < 6


def test_containers_that_come_later_ask_once(service: Service, later: Later, actor_of: Any):
    later(times=3)
    service_update(reload(service), actor=actor_of("alice"), scale=5)
    later(times=12)
    assert operations() == [("pull.create", "failed"), ("pull.again", "failed")]


def test_a_first_reconcile_after_a_failed_pull_does_not_pull_again(service: Service, sim: SimulatedDriver):
    late = Container.all_objects.latest("pk")
    Container.all_objects.filter(pk=late.pk).update(attempts=0, fault=False, state="requested", observed_generation=0)
    reconcile_one("container", late.pk)
    assert reload(late).fault
    assert operations() == [("pull.create", "failed")]


def test_what_ends_an_operation_stays_true(service: Service, later: Later):
    later(times=4)
    ended = Operation.all_objects.filter(kind__in=("container", "service"), state="failed")
    assert {each.kind for each in ended} == {"container", "service"}
    assert not [each.message for each in ended if "next at" in each.message]
    assert all("Image pull failed: There is no such repository" in each.message for each in ended)


def test_two_that_ask_again_in_the_same_moment_ask_once(service: Service):
    first, second = the_pull(), the_pull()
    pull_again(first)
    pull_again(second)
    assert operations() == [("pull.create", "failed"), ("pull.again", "pending")]


def test_two_that_ask_first_in_the_same_moment_have_one_pull(
    service: Service, host: Host, monkeypatch: pytest.MonkeyPatch
):
    box, real = Container.all_objects.latest("pk"), control.create

    def overtaken(row: Pull, **summary: Any) -> Operation:
        real(Pull(environment=row.environment, host=row.host, image=row.image, desired="pulled"), **summary)
        return real(row, **summary)

    monkeypatch.setattr(services, "create", overtaken)
    found = services.pull_ensure(box, host, "another:1")
    assert found == Pull.all_objects.get(image="another:1")
    assert Operation.all_objects.filter(kind="pull", target=found.pk).count() == 1


def test_it_ends_when_nothing_waits_for_it_any_more(
    service: Service, later: Later, actor_of: Any, sim: SimulatedDriver
):
    later(times=2)
    service_act(reload(service), "remove", actor=actor_of("alice"))
    later(times=3)
    asked = sim.calls["pull"]
    later(times=5)
    assert sim.calls["pull"] == asked
    row = the_pull()
    assert (row.display_state, row.next_attempt_at) == ("error", None)
    assert row.message.endswith(" UTC) Nothing waits for it any more.")
    assert Operation.all_objects.get(kind="pull").message == row.message


def test_what_a_person_asked_for_is_tried_once(
    lab: Environment, host: Host, actor_of: Any, later: Later, sim: SimulatedDriver
):
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGE}"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="once")
    later(times=5)
    assert (reload(row).display_state, sim.calls["pull"], the_pull().next_attempt_at) == ("error", 1, None)
    assert reload(row).message == PullAttempts.from_pull(the_pull()).reason == the_pull().message
    container_act(reload(row), "start", actor=actor_of("bob"))
    later(times=5)
    assert (reload(row).display_state, sim.calls["pull"]) == ("error", 2)
    assert operations() == [("pull.create", "failed"), ("pull.again", "failed")]


def test_a_silent_engine_in_between_forgets_nothing(service: Service, later: Later, sim: SimulatedDriver):
    later(times=2)
    failed = PullAttempts.from_pull(the_pull()).failed
    sim.fail_next("pull", EngineDown("cut"))
    try_now()
    assert (the_pull().display_state, the_pull().message) == ("pulling", "cut")
    assert operations() == [("pull.create", "failed")]
    try_now()
    assert PullAttempts.from_pull(the_pull()).failed == failed + 1
    assert operations() == [("pull.create", "failed")]


def test_a_try_that_breaks_off_half_way_forgets_nothing(
    service: Service, later: Later, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    def half(_image: str, _auth: object = None, **_more: object) -> Iterator[PullProgress]:
        yield PullProgress(40, "Downloading")
        assert the_pull().display_state == "pulling"
        raise EngineDown("cut")

    later(times=2)
    failed = PullAttempts.from_pull(the_pull()).failed
    with monkeypatch.context() as now:
        now.setattr(sim, "pull", half)
        try_now()
    row = the_pull()
    assert (row.status["percent"], PullAttempts.from_pull(row).failed) == (40, failed)
    try_now()
    assert (the_pull().display_state, PullAttempts.from_pull(the_pull()).failed) == ("error", failed + 1)


def test_a_failure_is_not_reported_again_by_the_clock(service: Service, later: Later):
    later(times=2)
    Operation.all_objects.filter(kind="pull").update(created=timezone.now() - timedelta(days=1))
    fail_overdue()
    assert Operation.all_objects.get(kind="pull").message == the_pull().message


def test_what_could_not_be_copied_is_asked_of_the_registry_next(
    lab: Environment, host: Host, service: Service, later: Later, actor_of: Any, sim: SimulatedDriver
):
    other = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    later()
    engine.simulated_engine("lab2").local_images.add(IMAGE)
    sim.fail_next("load", EngineError("no space left on device"))
    image_copy(actor=actor_of("alice"), source=reload(other), image=IMAGE, targets=[host])
    reconcile_one("pull", the_pull().pk)
    assert "no space left" in the_pull().message
    asked = sim.calls["pull"]
    try_now()
    assert (the_pull().display_state, sim.calls["pull"]) == ("pulled", asked + 1)


def test_one_that_nobody_waited_for_is_asked_for_again_by_who_does(service: Service, later: Later):
    """A failure that no container saw, because they came and went: the next reconcile finds nothing to do."""
    Pull.all_objects.update(next_attempt_at=None)
    later(times=4)
    assert operations() == [("pull.create", "failed"), ("pull.again", "failed")]
    assert the_pull().next_attempt_at is not None


def test_a_reconcile_that_is_not_another_attempt_leaves_the_failure_alone(host: Host, service: Service):
    row = the_pull()
    tries = PullAttempts(row.generation)
    assert tries.record_outcome(ReconcileResult(state="pulling"), will_retry=True) == ReconcileResult(state="pulling")
    assert tries.record_outcome(ReconcileResult(state="pulled"), will_retry=True) == ReconcileResult(state="pulled")
    assert (
        tries.record_outcome(ReconcileResult(state="error", message="no", failed=True), will_retry=False).message
        == "no"
    )


@pytest.mark.parametrize("kept", [True, False])
def test_a_failure_from_before_attempts_were_counted_keeps_its_own_message(service: Service, kept: bool):
    soon = timezone.now() + timedelta(hours=1)
    Pull.all_objects.update(status={}, message="it was long ago", next_attempt_at=soon)
    Container.all_objects.update(keep_running=kept, attempts=1)
    row = Container.all_objects.order_by("pk")[0]
    reconcile_one("container", row.pk)
    row.refresh_from_db()
    assert (row.message, row.fault) == ("Image pull failed: it was long ago" if kept else "it was long ago", True)


def test_a_new_desired_state_restarts_the_attempt_count(service: Service):
    row = the_pull()
    assert PullAttempts.from_pull(row).failed >= 1
    row.generation += 1
    assert PullAttempts.from_pull(row) == PullAttempts(row.generation)
    assert PullAttempts.from_pull(row).status == {}


def test_a_spurious_requeue_is_not_an_attempt(service: Service, sim: SimulatedDriver):
    before, asked = the_pull(), sim.calls["pull"]
    for _ in range(3):
        reconcile_one("pull", before.pk)
    after = the_pull()
    assert sim.calls["pull"] == asked
    assert (after.display_state, after.status, after.message) == ("error", before.status, before.message)
    assert after.next_attempt_at
    assert abs(after.next_attempt_at - datetime.fromisoformat(PullAttempts.from_pull(before).due)) < timedelta(
        seconds=1
    )
    assert Operation.all_objects.get(kind="pull").attempts == PullAttempts.from_pull(before).failed


@pytest.mark.parametrize(
    ("failed", "due", "text"),
    [
        (1, "", "Tried once: no (at 2026-01-02 09:00:05 UTC)"),
        (1, "2026-01-02T09:00:20+00:00", "Try 1 failed, next at 09:00:20 UTC: no (at 2026-01-02 09:00:05 UTC)"),
        (3, "", "Tried 3 times: no (since 2026-01-01 08:00, last at 2026-01-02 09:00:05 UTC)"),
        (
            9,
            "2026-01-02T09:05:05+00:00",
            "Try 9 failed, next at 09:05:05 UTC: no (since 2026-01-01 08:00, last at 2026-01-02 09:00:05 UTC)",
        ),
    ],
)
def test_the_words_for_it(failed: int, due: str, text: str):
    tries = PullAttempts(1, failed, "2026-01-01T08:00:00+00:00", "2026-01-02T09:00:05+00:00", "no", due)
    assert tries.summary == text


def test_one_that_is_requeued_for_nothing_asks_no_registry(service: Service, later: Later, sim: SimulatedDriver):
    sim.registry.add(IMAGE)
    later(2)
    asked = sim.calls["pull"]
    assert the_pull().display_state == "pulled"
    reconcile_one("pull", the_pull().pk)
    assert (the_pull().display_state, sim.calls["pull"]) == ("pulled", asked)
