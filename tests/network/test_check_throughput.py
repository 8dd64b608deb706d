"""The throughput between two hosts: measured on request of owners, told apart from other checks, and judged."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden, Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.check_document import CheckDocumentSource
from apps.network.check_selectors import check_view
from apps.network.check_services import network_check
from apps.network.check_throughput import ThroughputReport, in_words, task_of
from apps.network.models import HostNetwork, NetworkCheck
from corral_agent.network.preflight import parse_check
from tests.network.joined_hosts import add_host, answer, join


def reconcile() -> NetworkCheck:
    row: NetworkCheck = NetworkCheck.all_objects.get()
    reconcile_one("networkCheck", row.pk)
    row.refresh_from_db()
    return row


def task_in_document(host: Host) -> Any:
    return CheckDocumentSource().build(host.pk).get("throughput")


def test_two_hosts_measure_each_other_and_the_others_do_not(lab: Environment, actor_of: Any):
    first, second, third = (join(lab, number) for number in (1, 2, 3))
    network_check(lab, actor=actor_of("alice"), measured=[second, first])
    assert task_in_document(second) == {"host": str(first.uuid), "first": True, "bytes": 2**30, "seconds": 5}
    assert task_in_document(first) == {"host": str(second.uuid), "first": False, "bytes": 2**30, "seconds": 5}
    assert task_in_document(third) is None
    for host in (first, second, third):  # the agent takes what the portal makes
        assert parse_check({**CheckDocumentSource().build(host.pk), "version": 1}) is not None
    answer(third, second)
    assert reconcile().display_state == "checking"  # one of the two has not measured yet
    answer(first)
    assert reconcile().display_state == "checked"
    pairs = {(each.first.name, each.second.name): each for each in check_view(lab.pk).pairs}
    assert pairs["h1", "h2"].throughput == (1e9, 1e9)
    assert pairs["h1", "h2"].throughput_in_words == "1 Gbit/s / 1 Gbit/s"
    assert pairs["h1", "h3"].throughput == (None, None)
    entry = AuditEntry.objects.within([lab.pk]).filter(event="networkCheck.run").latest("pk")
    assert entry.request == {"measured": [str(second.uuid), str(first.uuid)]}


def test_the_next_check_measures_nothing(lab: Environment, actor_of: Any):
    first, second = join(lab, 1), join(lab, 2)
    network_check(lab, actor=actor_of("alice"), measured=[first, second])
    network_check(lab, actor=actor_of("bob"))
    assert (task_in_document(first), NetworkCheck.all_objects.get().measured) == (None, [])
    answer(first, second)
    assert reconcile().status == {"verdict": "ok"}


def test_only_owners_have_it_measured(lab: Environment, actor_of: Any):
    hosts = [join(lab, 1), join(lab, 2)]
    before = NetworkCheck.all_objects.get().generation
    with pytest.raises(Forbidden, match="fills the link between two hosts"):
        network_check(lab, actor=actor_of("bob"), measured=hosts)
    assert NetworkCheck.all_objects.get().generation == before


def test_other_than_two_hosts_that_take_part_are_refused(lab: Environment, actor_of: Any):
    first, late = join(lab, 1), add_host(lab, 2)
    for hosts, why in (([first], "two different hosts"), ([first, first], "two different"), ([first, late], "with h2")):
        with pytest.raises(Invalid, match=why) as refused:
            network_check(lab, actor=actor_of("alice"), measured=hosts)
        assert refused.value.field == "throughputBetween"
    HostNetwork.objects.filter(host=late).update(state="error", reason="no nft")
    with pytest.raises(Invalid, match="no nft"):
        network_check(lab, actor=actor_of("alice"), measured=[first, late])


def test_what_could_not_be_measured_is_a_warning_with_its_reason(lab: Environment, actor_of: Any):
    first, second = join(lab, 1), join(lab, 2)
    network_check(lab, actor=actor_of("alice"), measured=[first, second])

    def block(status: dict[str, Any]) -> None:
        status["throughput"] = {
            **status["throughput"],
            "bytes": 0,
            "seconds": 0,
            "reason": "nothing came from 10.42.0.1",
        }

    answer(first)
    answer(second, change=block)
    assert reconcile().status == {"verdict": "warning"}
    (pair,) = check_view(lab.pk).pairs
    assert pair.findings[0].text == ("The throughput from h1 to h2 was not measured: nothing came from 10.42.0.1.")
    assert pair.throughput == (None, 1e9)
    assert pair.throughput_in_words == ""


@pytest.mark.parametrize(
    "found",
    [None, 7, {}, {"host": 7}, [{"host": "x"}]],
)
def test_what_is_no_report_is_none(found: Any):
    assert ThroughputReport.parse(found) is None


@pytest.mark.parametrize(
    "found",
    [
        {"bytes": "many", "seconds": 1},
        {"bytes": 10**400, "seconds": 1},
        {"bytes": 1, "seconds": 0},
        {"bytes": -1, "seconds": 1},
        {"bytes": float("nan"), "seconds": 1},
        {"bytes": True, "seconds": 1},
        {"bytes": 1, "seconds": 1, "reason": "x\ny" * 400},
    ],
)
def test_an_agent_that_lies_measures_nothing(found: Any):
    report = ThroughputReport.parse({"host": "h", **found})
    assert report is not None
    assert report.bits_per_second is None
    assert 0 < len(report.reason) <= 200
    assert "\n" not in report.reason


def test_a_host_has_a_task_only_as_one_of_two():
    assert task_of("a", []) is None
    assert task_of("a", ["b", "c"]) is None
    assert task_of("a", ["a"]) is None


@pytest.mark.parametrize(("rate", "text"), [(2.5e9, "2.5 Gbit/s"), (94.1e6, "94.1 Mbit/s"), (12_000, "12 kbit/s")])
def test_rates_are_read_by_people(rate: float, text: str):
    assert in_words(rate) == text
