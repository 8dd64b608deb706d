"""The check of an environment's hosts: begun by people and by hosts that join, fed by agents, ended by the loop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network import check_services
from apps.network.check_document import CheckDocumentSource
from apps.network.check_selectors import check_view
from apps.network.check_services import network_check
from apps.network.document import NetworkDocumentSource
from apps.network.models import HostCheck, HostNetwork, NetworkCheck
from corral_agent.network.preflight import parse_check
from tests.network.joined_hosts import add_host, answer, join, key


def the_check() -> NetworkCheck:
    row: NetworkCheck = NetworkCheck.all_objects.get()
    return row


def test_simulated_hosts_are_checked_only_on_request(lab: Environment):
    host = add_host(lab, 1)
    Host.all_objects.filter(pk=host.pk).update(agent={"simulated": True})
    status = {"state": "active", "reason": "", "publicKey": key(1), "peers": {}}
    NetworkDocumentSource().on_status(host.pk, status)
    assert not NetworkCheck.all_objects.exists()
    network_check(lab, actor=None)
    assert the_check().generation == 1


def test_a_host_that_joins_has_all_hosts_checked_once(lab: Environment):
    first = join(lab, 1)
    assert (the_check().display_state, the_check().generation) == ("checking", 1)
    second = join(lab, 2)  # while the check runs, which takes it in
    assert the_check().generation == 1
    answer(first, second)
    reconcile_one("networkCheck", the_check().pk)
    assert (the_check().display_state, the_check().status) == ("checked", {"verdict": "ok"})
    operation = Operation.all_objects.get(kind="networkCheck")
    assert (operation.state, operation.account, operation.progress) == ("succeeded", None, 100)
    join_again = {"state": "active", "reason": "", "publicKey": key(9), "peers": {}}
    NetworkDocumentSource().on_status(first.pk, join_again)
    assert the_check().generation == 1  # it is no new host
    join(lab, 3)
    assert (the_check().display_state, the_check().generation) == ("checking", 2)


def test_progress_is_reported_until_the_last_way_is_known(lab: Environment):
    hosts = [join(lab, number) for number in (1, 2, 3)]
    answer(*hosts[:2])
    reconcile_one("networkCheck", the_check().pk)
    row, operation = the_check(), Operation.all_objects.get(kind="networkCheck")
    assert (row.state, row.message) == ("checking", "Reports of 2 of 3 hosts; 6 of 9 checks fine so far.")
    assert (operation.state, operation.progress) == ("running", 66)
    assert row.next_attempt_at is not None
    answer(hosts[2])
    reconcile_one("networkCheck", row.pk)
    assert the_check().state == "checked"


def test_a_process_that_dies_between_two_looks_loses_nothing(lab: Environment):
    hosts = [join(lab, number) for number in (1, 2)]
    answer(*hosts)
    # As after a kill -9: the lease has run out, the row is due, and what was reported is in the table.
    soon = timezone.now() - timedelta(seconds=1)
    NetworkCheck.all_objects.update(lease="gone", lease_until=soon, next_attempt_at=soon)
    reconcile_one("networkCheck", the_check().pk)
    assert the_check().status == {"verdict": "ok"}


def test_hosts_that_never_report_are_named_when_time_is_up(lab: Environment):
    first, _second = join(lab, 1), join(lab, 2)
    answer(first)
    long_ago = timezone.now() - timedelta(seconds=61)
    NetworkCheck.all_objects.update(started=long_ago)
    HostNetwork.objects.update(state_since=long_ago)
    reconcile_one("networkCheck", the_check().pk)
    view = check_view(lab.pk)
    assert (view.verdict, [host.member.name for host in view.troubled_hosts]) == ("failed", ["h2"])
    assert view.of_host(str(first.uuid)) == ()
    assert "Of the checks of hosts and pairs of hosts, 1 failed" in the_check().message


def test_a_cut_way_is_found_with_its_direction_and_kept(lab: Environment):
    first, second = join(lab, 1), join(lab, 2)

    def cut(status: dict[str, Any]) -> None:
        status["seconds"] = 20
        if str(first.uuid) in status["peers"]:
            status["peers"][str(first.uuid)] |= {"sizes": {}, "carried": False}

    answer(first, second, change=cut)
    reconcile_one("networkCheck", the_check().pk)
    view = check_view(lab.pk)
    (pair,) = view.troubled_pairs
    expected = "UDP 51820 from h1 to h2 does not arrive: open it in the firewall between them, or on h2."
    assert [finding.text for finding in pair.findings] == [expected]
    assert [finding.text for finding in view.of_host(str(second.uuid))] == [expected]
    answer(first, second)  # too late: it is over
    assert check_view(lab.pk).verdict == "failed"


def test_people_run_it_again_and_readers_may_not(lab: Environment, actor_of: Any):
    host = join(lab, 1)
    answer(host)
    reconcile_one("networkCheck", the_check().pk)
    with pytest.raises(Forbidden):
        network_check(lab, actor=actor_of("rita"))
    network_check(lab, actor=actor_of("bob"))
    network_check(lab, actor=actor_of("bob"))
    assert the_check().generation == 3
    states = Operation.all_objects.filter(kind="networkCheck").order_by("pk").values_list("name", "state")
    assert list(states) == [
        ("networkCheck.create", "succeeded"),
        ("networkCheck.run", "superseded"),
        ("networkCheck.run", "pending"),
    ]
    assert AuditEntry.all_objects.filter(event="networkCheck.run").count() == 2


def test_reports_of_another_run_and_of_nobody_are_dropped(lab: Environment):
    host = join(lab, 1)
    answer(host, change=lambda status: status.update(check=7))
    assert HostCheck.objects.get().generation == 0
    CheckDocumentSource().on_status(host.pk, {"check": "x"})
    CheckDocumentSource().on_status(10**6, {"check": 1, "peers": {}})
    assert HostCheck.objects.get().report == {}


def test_a_host_without_a_fitting_agent_is_left_out_and_says_why(lab: Environment):
    old, new = join(lab, 1), join(lab, 2)
    CheckDocumentSource().on_unsupported(old.pk, "The agent of this host is too old: update it.")
    Host.all_objects.create(environment=lab, url="tcp://x:2376", name="h9", desired="active", state="active")
    answer(new)
    reconcile_one("networkCheck", the_check().pk)
    (verdict,) = check_view(lab.pk).troubled_hosts
    assert [finding.text for finding in verdict.findings] == [
        "h1 was not checked: The agent of this host is too old: update it."
    ]


def test_the_document_names_the_run_while_it_runs_only(lab: Environment):
    first, second = join(lab, 1), join(lab, 2)
    versions = CheckDocumentSource().versions()
    document = CheckDocumentSource().build(first.pk)
    check = parse_check({**document, "version": 1})
    assert check is not None
    assert (check.number, check.hosts) == (1, {"10.42.0.2": str(second.uuid)})
    assert check.key == bytes.fromhex(CheckDocumentSource().build(second.pk)["key"])
    answer(first, second)
    reconcile_one("networkCheck", the_check().pk)
    assert CheckDocumentSource().build(first.pk) == {"check": 0}
    assert set(CheckDocumentSource().versions().values()) == {"0"}
    assert set(versions) == {first.pk, second.pk}
    assert all(version.startswith("1 ") for version in versions.values())
    other_key = key_of_next_run(lab, first)
    assert other_key != document["key"]


def key_of_next_run(lab: Environment, host: Host) -> str:
    network_check(lab, actor=None)
    found: str = CheckDocumentSource().build(host.pk)["key"]
    return found


def test_the_queries_do_not_grow_with_the_hosts(lab: Environment):
    def queries() -> list[int]:
        counts = []
        for read in (
            CheckDocumentSource().versions,
            lambda: CheckDocumentSource().build(first.pk),
            lambda: check_view(lab.pk),
        ):
            with CaptureQueriesContext(connection) as found:
                read()
            counts.append(len(found))
        return counts

    first = join(lab, 1)
    answer(first)
    few = queries()
    answer(*[join(lab, number) for number in range(2, 31)])
    assert len(check_view(lab.pk).pairs) == 30 * 29 // 2
    assert queries() == few


def test_many_hosts_are_checked_when_somebody_asks_for_it_only(lab: Environment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check_services, "MOST_UNASKED", 2)
    hosts = [join(lab, 1), join(lab, 2)]
    answer(*hosts)
    reconcile_one("networkCheck", the_check().pk)
    join(lab, 3)
    assert (the_check().display_state, the_check().generation) == ("checked", 1)
    network_check(lab, actor=None)
    assert the_check().display_state == "checking"


def test_the_document_of_no_check_is_made_without_reading_the_network(lab: Environment):
    first, second = join(lab, 1), join(lab, 2)
    answer(first, second)
    reconcile_one("networkCheck", the_check().pk)
    with CaptureQueriesContext(connection) as made:
        assert CheckDocumentSource().build(first.pk) == {"check": 0}
    assert len(made) == 1
    with CaptureQueriesContext(connection) as made:
        CheckDocumentSource().versions()
    assert len(made) == 2
