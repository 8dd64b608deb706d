"""The register of workloads: everybody is called, in order, and one that fails costs the others no event."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.workload import ContainerWorkload
from apps.drivers.base import EngineDown, EngineEvent
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts import workloads as module
from apps.hosts.models import Host
from apps.hosts.reconcile import reconcile_host
from apps.hosts.stats.history import record_sample
from apps.hosts.workloads import DrainProgress, HostWorkload, WorkloadRegister, workloads
from apps.network.hosts import NetworkWorkload
from apps.stacks.workload import ServiceWorkload
from apps.volumes.workload import VolumeWorkload
from tests.hosts.stub_workload import StubWorkload, register_only

EVENT = EngineEvent(1.0, "container", "die", "c1", {})
CALLS: dict[str, Callable[[HostWorkload], Any]] = {
    "on_engine_event": lambda each: each.on_engine_event(7, EVENT),
    "on_host_scanned": lambda each: each.on_host_scanned(Host(), []),
    "on_host_unreachable": lambda each: each.on_host_unreachable(Host()),
    "on_host_removed": lambda each: each.on_host_removed(Host()),
    "drain": lambda each: each.drain(Host()),
    "fence": lambda each: each.fence(Host(), []),
    "container_ids": lambda each: each.container_ids(Host()),
    "health_check_versions": lambda each: each.health_check_versions(),
    "health_checks": lambda each: each.health_checks(7),
    "on_health_reports": lambda each: each.on_health_reports(7, {}),
}


@pytest.fixture(autouse=True)
def _keep_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "close_old_connections", lambda: None)


def test_every_method_is_tried_here_and_passed_on_by_the_register() -> None:
    public = {name for name, _ in inspect.getmembers(HostWorkload, inspect.isfunction) if not name.startswith("_")}
    assert set(CALLS) == public
    assert public <= vars(WorkloadRegister).keys()


def test_containers_come_before_the_services_that_they_belong_to() -> None:
    assert [type(each) for each in workloads._registered] == [
        NetworkWorkload,
        ContainerWorkload,
        VolumeWorkload,
        ServiceWorkload,
    ]


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("on_engine_event", None),
        ("on_host_scanned", None),
        ("on_host_unreachable", None),
        ("on_host_removed", 0),
        ("drain", DrainProgress()),
        ("fence", 0),
        ("container_ids", {}),
        ("health_check_versions", {}),
        ("health_checks", []),
        ("on_health_reports", None),
    ],
)
def test_a_workload_that_overrides_nothing_does_nothing(name: str, default: Any) -> None:
    assert CALLS[name](HostWorkload()) == default
    assert CALLS[name](WorkloadRegister()) == default


@pytest.mark.parametrize("name", CALLS)
def test_everybody_is_called_in_the_order_of_registration(name: str) -> None:
    order: list[int] = []
    register = WorkloadRegister()
    for number in range(3):
        stub = StubWorkload()
        stub._called = lambda _name, number=number: order.append(number)  # type: ignore[method-assign,misc]
        register.register(stub)
    CALLS[name](register)
    assert order == [0, 1, 2]


def test_answers_add_up() -> None:
    one = StubWorkload(drains=DrainProgress(2, ("w1",), ("s1",)), running=1, attached=3, ids={"a": 1})
    two = StubWorkload(drains=DrainProgress(1, ("w2",)), running=4, attached=2, ids={"b": 2})
    register = WorkloadRegister(one, two)
    assert register.drain(Host()) == DrainProgress(3, ("w1", "w2"), ("s1",))
    assert (register.fence(Host(), []), register.on_host_removed(Host())) == (5, 5)
    assert register.container_ids(Host()) == {"a": 1, "b": 2}


def test_an_event_reaches_the_others_when_one_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    returned: list[bool] = []
    monkeypatch.setattr(module, "close_old_connections", lambda: returned.append(True))
    failing, other = StubWorkload(trouble=RuntimeError("surprise")), StubWorkload()
    WorkloadRegister(failing, other).on_engine_event(7, EVENT)
    assert (failing.calls, other.calls) == (["on_engine_event"], ["on_engine_event"])
    assert "event die of host 7" in caplog.text
    assert returned == [True, True]


@pytest.mark.parametrize("name", [name for name in CALLS if name != "on_engine_event"])
def test_whatever_else_fails_fails_the_reconcile(name: str) -> None:
    register = WorkloadRegister(StubWorkload(trouble=RuntimeError("surprise")), StubWorkload())
    with pytest.raises(RuntimeError, match="surprise"):
        CALLS[name](register)


def test_a_reconcile_fences_before_it_scans(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = StubWorkload()
    register_only(monkeypatch, workload)
    host.lost_at = host.created
    reconcile_host(host)
    assert workload.calls == ["fence", "on_host_scanned"]


def test_nothing_is_scanned_while_replaced_copies_run(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = StubWorkload(running=1)
    register_only(monkeypatch, workload)
    host.lost_at = host.created
    assert reconcile_host(host).state == "reconnecting"
    assert workload.calls == ["fence"]


def test_an_agent_that_never_connected_is_not_lost(
    host: Host, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = StubWorkload()
    register_only(monkeypatch, workload)
    monkeypatch.setattr(Host, "has_agent", True)
    host.seen_at = None
    sim.fail_next("info", EngineDown("no route"))
    assert reconcile_host(host).state == "registering"
    assert workload.calls == []


def test_statistics_ask_the_workloads_whose_containers_they_are(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = StubWorkload()
    register_only(monkeypatch, workload)
    record_sample(host)
    assert workload.calls == ["container_ids"]
