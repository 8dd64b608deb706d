"""Checks by other hosts of the environment: who makes which, what they report together, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.containers import check_sharing
from apps.containers.check_sharing import check_versions
from apps.containers.health_quorum import DOUBT
from apps.containers.models import Container
from apps.containers.network_checks import checks_on, doubt_seconds, network_health, store_reports
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.network.models import HostNetwork
from tests.network.joined_hosts import add_host, join

CHECK = {
    "port": 80, "interval": 2000, "responseTimeout": 2000, "healthyThreshold": 2, "unhealthyThreshold": 3,
    "initializingTimeout": 60000, "reinitializingTimeout": 60000,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_sharing, "_known", {})
    monkeypatch.setattr(check_sharing, "_joined_for", {})


@pytest.fixture
def hosts(lab: Environment) -> list[Host]:
    return [join(lab, number) for number in range(1, 6)]


def add(host: Host, number: int = 1, address: str = "", **columns: Any) -> Container:
    """A running container with a check."""
    address = address or f"10.42.4.{number}"
    target = {"address": address, "subnet": f"{address}/16"}
    values = {"state": "running", "desired": "running", "network_check": CHECK, "health": "initializing", **columns}
    row: Container = Container.all_objects.create(
        environment=host.environment, host=host, name=f"web_{number}", spread_key="k", start_count=1,
        status={"started_at": "r", "check_target": target}, observed_at=timezone.now(), **values,
    )  # fmt: skip
    return row


def checkers(row: Container, hosts: list[Host]) -> list[Host]:
    return [each for each in hosts if str(row.uuid) in {check["id"] for check in checks_on(each.pk)}]


def report(row: Container, *hosts: Host, state: str, run: str = "r") -> None:
    for host in hosts:
        store_reports(host.pk, {str(row.uuid): {"state": state, "run": run, "reason": "no answer"}})
    row.refresh_from_db()


def test_its_own_host_and_three_others_check_a_container(hosts: list[Host]) -> None:
    row = add(hosts[0])
    found = checkers(row, hosts)
    assert len(found) == 4
    assert hosts[0] in found
    (check,) = checks_on(found[1].pk)
    assert (check["address"], check["subnet"], check["run"]) == ("10.42.4.1", "10.42.4.1/16", "r")


@pytest.mark.parametrize("why", ["alone", "another network", "a part that failed", "the host network"])
def test_its_own_host_checks_alone_where_others_do_not_reach_it(hosts: list[Host], why: str) -> None:
    row = add(hosts[0], address="172.17.0.2" if why == "another network" else "")
    if why == "alone":
        HostNetwork.objects.exclude(host=hosts[0].pk).update(state="off")
    if why == "a part that failed":
        HostNetwork.objects.filter(host=hosts[0].pk).update(state="error")
    if why == "the host network":
        Container.all_objects.update(status={"started_at": "r"})
        assert checkers(row, hosts) == []
        return
    assert checkers(row, hosts) == [hosts[0]]
    report(row, hosts[0], state="unhealthy")
    assert network_health(row) == ("unhealthy", "no answer")
    assert row.check_report == {"state": "unhealthy", "run": "r", "reason": "no answer"}


def test_hosts_of_other_environments_neither_check_nor_report(hosts: list[Host], actor_of: Any) -> None:
    elsewhere = environment_create(name="elsewhere", actor=actor_of("alice"))
    row, foreign = add(hosts[0]), join(elsewhere, 9)
    assert checks_on(foreign.pk) == []
    report(row, foreign, state="unhealthy")
    assert row.check_report == {}


def test_a_host_that_does_not_check_it_is_not_heard(hosts: list[Host]) -> None:
    row = add(hosts[0])
    (idle,) = {each.pk for each in hosts} - {each.pk for each in checkers(row, hosts)}
    report(row, Host.all_objects.get(pk=idle), state="unhealthy")
    assert row.check_report == {}


def test_one_hosts_loss_of_sight_replaces_nothing_and_most_of_them_do(hosts: list[Host]) -> None:
    row = add(hosts[0])
    own, *others = sorted(checkers(row, hosts), key=lambda each: each.pk != hosts[0].pk)
    report(row, own, *others, state="healthy")
    assert network_health(row)[0] == "healthy"
    report(row, others[0], state="unhealthy")
    assert network_health(row)[0] == "healthy"
    report(row, own, others[1], state="unhealthy")
    assert network_health(row) == ("unhealthy", "no answer")


def test_what_its_own_host_denies_counts_after_half_a_minute(hosts: list[Host]) -> None:
    row = add(hosts[0])
    own, *others = sorted(checkers(row, hosts), key=lambda each: each.pk != hosts[0].pk)
    report(row, own, *others, state="healthy")
    report(row, *others, state="unhealthy")
    assert network_health(row)[0] == "healthy"
    left = doubt_seconds(row)
    assert left is not None
    assert 20 < left <= 30
    row.check_report["doubted_since"] = (timezone.now() - DOUBT - timedelta(seconds=1)).isoformat()
    assert network_health(row)[0] == "unhealthy"
    assert "other hosts do not reach it" in network_health(row)[1]


def test_a_host_that_is_gone_speaks_no_more(hosts: list[Host]) -> None:
    for each in hosts[2:]:
        each.delete()
    row, (own, other) = add(hosts[0]), hosts[:2]
    check_versions()
    report(row, own, other, state="healthy")
    report(row, own, state="unhealthy")
    assert network_health(row)[0] == "healthy", "one of two"
    Host.all_objects.filter(pk=other.pk).update(lost_at=timezone.now())
    check_versions()
    row.refresh_from_db()
    assert network_health(row)[0] == "unhealthy"


def test_a_host_that_is_gone_speaks_no_more_though_a_document_was_built_first(hosts: list[Host]) -> None:
    hosts[4].delete()
    row, (own, second, third, gone) = add(hosts[0]), hosts[:4]
    check_versions()
    report(row, own, second, third, gone, state="healthy")
    report(row, own, second, state="unhealthy")
    assert network_health(row)[0] == "healthy", "two of four"
    Host.all_objects.filter(pk=gone.pk).update(lost_at=timezone.now())
    checks_on(own.pk)
    check_versions()
    row.refresh_from_db()
    assert network_health(row)[0] == "unhealthy", "two of three"


def test_only_hosts_whose_checks_changed_are_given_another_version(hosts: list[Host]) -> None:
    rows = [add(host, number) for number, host in enumerate(hosts)]
    before = check_versions()
    assert check_versions() == before
    report(rows[0], hosts[0], state="healthy")
    assert check_versions() == before, "what was found is no change of what is to be checked"
    changed = rows[0]
    Container.all_objects.filter(pk=changed.pk).update(start_count=2, observed_at=timezone.now())
    after = check_versions()
    assert {key for key in after if after[key] != before[key]} == {each.pk for each in checkers(changed, hosts)}
    join(hosts[0].environment, 6)
    assert set(check_versions()) > set(before)


def test_the_queries_do_not_grow_with_containers_or_hosts(hosts: list[Host]) -> None:
    def count(call: Callable[[], Any]) -> int:
        check_sharing._known.clear()
        check_sharing._joined_for.clear()
        with CaptureQueriesContext(connection) as found:
            call()
        return len(found)

    add(hosts[0])
    calls = (check_versions, lambda: checks_on(hosts[1].pk))
    few = [count(each) for each in calls]
    for number in range(2, 12):
        add(hosts[number % 5], number)
    assert [count(each) for each in calls] == few


@pytest.mark.parametrize("alone", [True, False])
def test_what_a_host_says_again_costs_no_query_for_each_container(hosts: list[Host], *, alone: bool) -> None:
    if alone:
        HostNetwork.objects.exclude(host=hosts[0].pk).update(state="off")
    rows = [add(hosts[0], number) for number in range(4)]
    said = {str(row.uuid): {"state": "unhealthy", "run": "r", "reason": "no answer"} for row in rows}
    store_reports(hosts[0].pk, said)
    with CaptureQueriesContext(connection) as found:
        store_reports(hosts[0].pk, said)
    assert len(found) <= 4


def test_who_checks_alone_and_then_with_others_is_heard_again(hosts: list[Host]) -> None:
    HostNetwork.objects.exclude(host=hosts[0].pk).update(state="off")
    row = add(hosts[0])
    report(row, hosts[0], state="healthy")
    HostNetwork.objects.update(state="active")
    report(row, hosts[0], state="healthy")
    assert list(row.check_report["hosts"]) == [str(hosts[0].pk)]


def test_a_host_without_an_agent_is_asked_for_nothing(hosts: list[Host], lab: Environment) -> None:
    plain = add_host(lab, 8)
    Host.all_objects.filter(pk=plain.pk).update(url="tcp://192.168.0.8:2376")
    HostNetwork.objects.filter(host=plain.pk).update(state="active")
    rows = [add(hosts[number % 5], number) for number in range(10)]
    assert all(plain not in checkers(row, [*hosts, plain]) for row in rows)
