"""What a host's row says of itself, and how it is reconciled when its engine answers, refuses, or is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.core.result import ReconcileResult
from apps.drivers.base import EngineDown, EngineInfo, EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts import drain as draining
from apps.hosts import reconcile
from apps.hosts.drain import MAX_NAMES, reconcile_drain
from apps.hosts.lifecycle import AWAY, HOST
from apps.hosts.models import (
    LATE_AFTER_SECONDS,
    MAX_CLOCK_SKEW,
    Host,
    HostEvent,
)
from apps.hosts.reconcile import (
    SCAN_EVERY,
    automatic_labels,
    fence_replaced_containers,
    host_info,
    reconcile_host,
    reconcile_token,
)
from apps.hosts.workloads import DrainProgress
from tests.hosts.stub_workload import StubWorkload, register_only

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ASKED = {"asked": "2026-03-01T00:00:00", "stopStandalone": False}


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"name": "n", "hostname": "h", "url": "u"}, "n"),
        ({"hostname": "h", "url": "u"}, "h"),
        ({"url": "u"}, "u"),
    ],
)
def test_a_host_is_called_by_the_best_name_there_is(fields: dict[str, str], label: str) -> None:
    assert str(Host(**fields)) == label


@pytest.mark.parametrize(("url", "agent"), [("agent://1", True), ("tcp://agent://", False), ("ssh://agent", False)])
def test_agents_show_in_the_address(url: str, agent: bool) -> None:
    assert Host(url=url).has_agent is agent


@pytest.mark.parametrize(
    ("skew", "expected"), [(0.0, False), (MAX_CLOCK_SKEW, False), (-MAX_CLOCK_SKEW, False), (5.1, True), (-5.1, True)]
)
def test_a_clock_that_is_off_is_reported_either_way(skew: float, expected: bool) -> None:
    assert Host(skew=skew).is_skewed is expected


@pytest.mark.parametrize(
    ("desired", "drain", "status", "drains"),
    [
        ("inactive", ASKED, {}, True),
        ("inactive", ASKED, {"drained": ASKED["asked"]}, False),
        ("inactive", ASKED, {"drained": "an earlier one"}, True),
        ("inactive", {}, {}, False),
        ("active", ASKED, {}, False),
        ("removed", ASKED, {}, False),
    ],
)
def test_a_host_drains_until_that_very_drain_is_over(desired: str, drain: Any, status: Any, drains: bool) -> None:
    assert Host(desired=desired, drain=drain, status=status).is_draining is drains


def test_only_lost_hosts_are_away(host: Host) -> None:
    for state in (*AWAY, "active", "error", "inactive", "evacuating"):
        Host.all_objects.filter(pk=host.pk).update(state=state)
        assert Host.all_objects.get(pk=host.pk).is_unreachable is (state in AWAY), state


def test_the_user_s_label_wins_over_the_engine_s() -> None:
    row = Host(engine_labels={"os": "linux", "zone": "?"}, labels={"zone": "a"})
    assert row.all_labels == {"os": "linux", "zone": "a"}


@pytest.mark.parametrize(
    ("seconds", "late"), [(-5, False), (0, False), (LATE_AFTER_SECONDS, False), (LATE_AFTER_SECONDS + 1, True)]
)
def test_an_event_is_late_when_the_portal_heard_of_it_long_after(seconds: float, late: bool) -> None:
    assert HostEvent(at=NOW, learned_at=NOW + timedelta(seconds=seconds)).is_late is late


def plan(
    monkeypatch: pytest.MonkeyPatch, *leaving: DrainProgress, status: Any = None
) -> tuple[ReconcileResult, list[str]]:
    """The result for a draining host when these still have to leave, and the lines it wrote."""
    notes: list[str] = []
    register_only(monkeypatch, *(StubWorkload(drains=each) for each in leaving))
    monkeypatch.setattr(draining, "note_progress", lambda _row, text: notes.append(text))
    return reconcile_drain(Host(drain=ASKED, status=status or {})), notes


def begun_drain(total: int, asked: str = ASKED["asked"]) -> dict[str, Any]:  # type: ignore[assignment]
    return {"draining": {"asked": asked, "total": total, "moved": 0}}


def test_an_empty_host_is_drained_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found, notes = plan(monkeypatch, DrainProgress(staying=("b", "a")))
    assert (found.state, found.requeue_after) == ("inactive", None)
    assert found.status == {"drained": ASKED["asked"], "stays": ["a", "b"]}
    assert notes == ["0 containers of services to leave. Will stay: a, b.", "Nothing is left to move."]


def test_without_anybody_to_ask_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(monkeypatch)[0].state == "inactive"


def test_the_first_attempt_counts_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    found, notes = plan(monkeypatch, DrainProgress(3), DrainProgress(2, waits=("no other host",)))
    assert (found.state, found.progress, found.requeue_after) == ("evacuating", 0, draining.RECHECK_SECONDS)
    assert found.message == "0 of 5 moved; no other host"
    assert found.status == {
        "draining": {"asked": ASKED["asked"], "total": 5, "moved": 0},
        "stays": [],
        "waits": ["no other host"],
    }
    assert notes == ["5 containers of services to leave."]


@pytest.mark.parametrize(
    ("before", "left", "message", "progress"),
    [
        pytest.param(4, 3, "1 of 4 moved", 25, id="one gone"),
        pytest.param(4, 4, "0 of 4 moved", 0, id="none gone"),
        pytest.param(3, 1, "2 of 3 moved", 66, id="rounded down"),
        pytest.param(2, 5, "0 of 5 moved", 0, id="more came than there were"),
    ],
)
def test_progress_is_counted_from_the_first_attempt(
    before: int, left: int, message: str, progress: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, notes = plan(monkeypatch, DrainProgress(left), status=begun_drain(before))
    assert (found.message, found.progress, notes) == (message, progress, [])


def test_a_new_drain_counts_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    found, notes = plan(monkeypatch, DrainProgress(1), status=begun_drain(9, "an earlier one"))
    assert found.message == "0 of 1 moved"
    assert len(notes) == 1


def test_the_last_one_ends_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    found, notes = plan(monkeypatch, DrainProgress(0), status=begun_drain(9))
    assert (found.state, notes) == ("inactive", ["Nothing is left to move."])


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(0, 20))
def test_progress_is_a_percentage_and_ends_only_when_nobody_is_left(lefts: list[int], before: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found, _said = plan(patch, *map(DrainProgress, lefts), status=begun_drain(before))
    assert (found.state == "inactive") is (sum(lefts) == 0)
    if found.state == "evacuating":
        assert 0 <= (found.progress or 0) < 100


@pytest.mark.parametrize("count", [MAX_NAMES, MAX_NAMES + 1, MAX_NAMES + 7])
def test_only_a_few_are_named(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"c{n:02}" for n in range(count))
    found, notes = plan(monkeypatch, DrainProgress(1, waits=names, staying=names))
    assert (found.status or {})["stays"] == list(names)
    assert len((found.status or {})["waits"]) == MAX_NAMES
    assert (f" and {count - MAX_NAMES} more." in notes[0]) is (count > MAX_NAMES)


@pytest.mark.parametrize(("lost_at", "left", "waits"), [(None, 3, False), (NOW, 0, False), (NOW, 3, True)])
def test_a_host_that_is_back_waits_for_its_replaced_copies(
    lost_at: Any, left: int, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = StubWorkload(running=left)
    register_only(monkeypatch, workload, StubWorkload())
    found = fence_replaced_containers(Host(lost_at=lost_at, status={"kept": 1}), [])
    assert workload.calls == (["fence"] if lost_at else [])
    assert (found is not None) is waits
    if found is not None:
        assert (found.state, found.status) == ("reconnecting", {"kept": 1})
        assert "3 containers" in found.message


INFO = EngineInfo("id", "name", "28.5.2", "1.51", "Debian", "6.1.0-9-amd64", "x86_64", 8, 16 * 1024**3 + 5, "overlay2")


def test_the_engine_s_word_about_its_machine_is_reported_in_v1_s_units() -> None:
    found = host_info(INFO, {})
    assert found["memoryInfo"] == {"memTotal": 16384}
    assert found["cpuInfo"] == {"modelName": "x86_64", "count": 8}
    assert found["osInfo"]["dockerVersion"] == "Docker version 28.5.2"
    assert "diskInfo" not in found


@pytest.mark.parametrize(
    ("machine", "name", "expected"),
    [
        ({"cpuInfo": {"modelName": "EPYC", "count": 2}}, "cpuInfo", {"modelName": "EPYC", "count": 8}),
        ({"memoryInfo": {"memFree": 5, "memTotal": 1}}, "memoryInfo", {"memFree": 5, "memTotal": 16384}),
        ({"diskInfo": {"a": 1}}, "diskInfo", {"a": 1}),
        ({"cpuInfo": None}, "cpuInfo", {"modelName": "x86_64", "count": 8}),
    ],
)
def test_the_agent_completes_and_the_engine_has_the_last_word(machine: Any, name: str, expected: Any) -> None:
    assert host_info(INFO, machine)[name] == expected


def test_the_automatic_labels_are_versions_of_two_numbers() -> None:
    assert set(automatic_labels(INFO).values()) == {"28.5", "6.1", "Debian"}


def test_an_engine_that_answers_is_reconciled_again_in_a_while(host: Host) -> None:
    found = reconcile_host(host)
    soonest, latest = SCAN_EVERY
    assert found.state == "active"
    assert soonest <= (found.requeue_after or 0) <= latest
    assert (found.status or {})["containers"] == 0
    assert (found.fields or {})["lost_at"] is None


def test_an_engine_that_refuses_is_an_error_not_an_absence(host: Host, sim: SimulatedDriver) -> None:
    sim.fail_next("info", EngineRefused("client certificate required"))
    found = reconcile_host(host)
    assert (found.state, found.failed, found.fields or {}) == ("error", True, {})
    assert "certificate" in found.message


def test_an_absence_is_reported_to_the_workloads(
    host: Host, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = StubWorkload()
    register_only(monkeypatch, workload)
    sim.fail_next("info", EngineDown("no route"))
    found = reconcile_host(host)
    assert workload.calls == ["on_host_unreachable"]
    assert (found.state, found.requeue_after) == ("reconnecting", reconcile.RETRY_EVERY)


def test_an_absence_counts_from_its_beginning(host: Host, sim: SimulatedDriver) -> None:
    host.lost_at = timezone.now() - timedelta(days=1)
    sim.fail_next("info", EngineDown("no route"))
    found = reconcile_host(host)
    assert (found.state, (found.fields or {})["lost_at"]) == ("disconnected", host.lost_at)


def test_a_draining_host_that_is_away_goes_on_reconnecting(host: Host, sim: SimulatedDriver) -> None:
    host.lost_at, host.desired, host.drain = timezone.now() - timedelta(days=1), "inactive", ASKED
    sim.fail_next("info", EngineDown("no route"))
    assert reconcile_host(host).state == "reconnecting"


def test_what_a_drain_found_is_known_until_the_request_is_gone(host: Host) -> None:
    host.desired, host.drain, host.status = "inactive", ASKED, {"drained": ASKED["asked"], "stays": ["x"], "waits": []}
    stored_status = reconcile_host(host).status or {}
    assert (stored_status["drained"], stored_status["stays"], "waits" in stored_status) == (
        ASKED["asked"],
        ["x"],
        False,
    )
    host.drain = {}
    assert "stays" not in (reconcile_host(host).status or {})


@pytest.mark.parametrize(("left", "state"), [(2, "removing"), (0, "removed")])
def test_a_host_goes_when_everything_has_let_go(
    left: int, state: str, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_only(monkeypatch, StubWorkload(attached=left))
    host.desired = "removed"
    assert reconcile_host(host).state == state


def test_a_purged_host_and_a_token_are_in_their_desired_state() -> None:
    assert reconcile_host(Host(desired="purged")).state == "purged"
    assert reconcile_token(Host(desired="inactive")).state == "inactive"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "may", "may_not"),
    [
        ("activate", {"inactive", "registering", "evacuating"}, {"active", "removed", "disconnected"}),
        ("evacuate", {"active", "inactive"}, {"reconnecting", "disconnected", "removed"}),
        ("remove", {"inactive", "disconnected", "reconnecting", "error"}, {"active", "evacuating", "removed"}),
        ("purge", {"removed"}, {"active", "inactive", "removing"}),
        ("update", {"active", "inactive", "disconnected"}, {"removed", "purged", "evacuating"}),
    ],
)
def test_each_action_has_its_states(action: str, may: set[str], may_not: set[str]) -> None:
    start = HOST.transitions[action].start
    assert may <= set(start)
    assert not may_not & set(start)
