"""Health checks of external services: which hosts make them, what they found, and what that says of the service.

An external address belongs to no host, so up to three hosts of the environment check each, and what most of them say
counts. Documents and reports go the way of the checks of containers.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.containers.health_quorum import UNCHECKED, ReportedHealth, ranked_hosts
from apps.containers.network_checks import check_settings, read_report
from apps.control.queue import enqueue
from apps.core.fixed_query import FixedQuery
from apps.core.result import ReconcileResult
from apps.hosts.fleet import ACCEPTING
from apps.hosts.models import TAKES_DOCUMENTS, Host
from apps.stacks.health import DEGRADED, HEALTHY, INITIALIZING, UNHEALTHY
from apps.stacks.models import Service, ServiceMember
from apps.stacks.service_options import EXTERNAL

_ID = "external-"
_CAN_CHECK = TAKES_DOCUMENTS | Q(url__startswith="unix://")
NOBODY = "No host of the environment can check its addresses."
NAME_ONLY = "Its health check is not made: only addresses are checked, not a host name."
OF_THE_HOST = "loopback, link-local and multicast addresses are not checked"


@dataclass(frozen=True, slots=True)
class ExternalCheck:
    """The check of one address; `run` is another text for another check, so that reports of the former do not count."""

    member: int
    environment: int
    address: str
    settings: Mapping[str, Any]

    @property
    def run(self) -> str:
        """What tells this check from one with other settings."""
        return str(zlib.crc32(repr(sorted(self.settings.items())).encode()))

    def hosts(self, able: Collection[int]) -> tuple[int, ...]:
        """Those of the hosts that make it, which stay the same while they are there."""
        return ranked_hosts(self.member, able)

    def document(self, last: str) -> dict[str, Any]:
        """As hosts get it; `last` is what this host said of it before."""
        return {
            "id": f"{_ID}{self.member}",
            "run": self.run,
            "address": self.address,
            # It is in no network of a host's own: any route that the host has for it will do.
            "subnet": "::/0" if ":" in self.address else "0.0.0.0/0",
            **check_settings(self.settings),
            "last": last,
        }


def is_checkable(address: str) -> bool:
    """Whether a host may check it: what an address means to the host alone is nothing that a tenant may ask about."""
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    one = mapped or found
    return not (one.is_loopback or one.is_link_local or one.is_multicast or one.is_unspecified)


def join_states(states: Sequence[str], hosts: int, before: str) -> str:
    """What most of the hosts say; as long as nothing is agreed upon, what was stays. Pure."""
    voting = [state for state in states if state != UNCHECKED]
    needed = (hosts - states.count(UNCHECKED)) // 2 + 1
    if len(voting) < len(states) == hosts and not voting:
        return UNCHECKED
    for state in (UNHEALTHY, HEALTHY):
        if voting.count(state) >= needed:
            return state
    return before or INITIALIZING


def _checks(environments: Collection[int] | None = None) -> list[ExternalCheck]:
    """All checks that are to be made; one query where there are none."""
    if environments is None:
        environments = [key for (key,) in _CHECKING.rows()]
        if not environments:
            return []
    services = _checked_services().filter(environment__in=environments)
    found = {
        key: (environment, external["healthCheck"])
        for key, environment, external in services.order_by().values_list("pk", "environment", "external")
    }
    if not found:
        return []
    members = ServiceMember.objects.filter(service__in=found).exclude(address="").order_by("pk")
    return [
        ExternalCheck(member, found[service][0], address, found[service][1])
        for member, service, address in members.values_list("pk", "service", "address")
        if is_checkable(address)
    ]


def _checked_services() -> QuerySet[Service]:
    rows: QuerySet[Service] = Service.all_objects.filter(kind=EXTERNAL, removed=None, desired="active")
    return rows.filter(external__has_key="healthCheck")


_CHECKING = FixedQuery(lambda _keys: _checked_services().order_by().values_list("environment").distinct())


def _able_hosts(environments: Iterable[int]) -> dict[int, set[int]]:
    """The hosts that can make checks, by environment."""
    rows = Host.all_objects.filter(_CAN_CHECK, environment__in=set(environments), removed=None, lost_at=None)
    found: dict[int, set[int]] = defaultdict(set)
    for environment, host in rows.filter(display_state__in=ACCEPTING).order_by().values_list("environment", "pk"):
        found[environment].add(host)
    return found


def check_versions() -> dict[int, str]:
    """Of each host that makes such checks a text that is another one when they have changed."""
    checks = _checks()
    able = _able_hosts(each.environment for each in checks) if checks else {}
    texts: dict[int, list[str]] = defaultdict(list)
    for each in checks:
        for host in each.hosts(able.get(each.environment, ())):
            texts[host].append(f"{each.member} {each.address} {each.run}")
    return {host: f"external {zlib.crc32(repr(found).encode())}" for host, found in texts.items()}


def checks_on(host_id: int) -> list[dict[str, Any]]:
    """The checks that a host makes, as its document says them."""
    environment = Host.all_objects.filter(pk=host_id).values_list("environment", flat=True).first()
    if environment is None or not (checks := _checks([environment])):
        return []
    able = _able_hosts([environment])[environment]
    mine = [each for each in checks if host_id in each.hosts(able)]
    reports = dict(
        ServiceMember.objects.filter(pk__in=[each.member for each in mine]).values_list("pk", "check_report")
    )
    return [each.document(_last(reports.get(each.member, {}), each.run, host_id)) for each in mine]


def _last(report: Mapping[str, Any], run: str, host: int) -> str:
    is_current = report.get("run") == run
    return str((report.get("hosts", {}).get(str(host)) or {}).get("state", "")) if is_current else ""


def store_reports(host_id: int, reports: Mapping[str, Any]) -> None:
    """Keep what a host found, and requeue services of which it is news. Reports are not trusted to be well made."""
    given = {key.removeprefix(_ID): found for key, found in reports.items() if key.startswith(_ID)}
    by_member = {int(key): found for key, found in given.items() if key.isascii() and key.isdigit() and len(key) < 16}
    environment = (
        Host.all_objects.filter(pk=host_id).values_list("environment", flat=True).first() if by_member else None
    )
    if environment is None:
        return
    able = _able_hosts([environment])[environment]
    for check in _checks([environment]):
        found = read_report(by_member.get(check.member))
        if found is not None and found.run == check.run:
            _take_report(check, check.hosts(able), host_id, found)


def _take_report(check: ExternalCheck, hosts: Sequence[int], host_id: int, found: ReportedHealth) -> None:
    if host_id not in hosts:
        return
    with transaction.atomic():
        row = ServiceMember.objects.select_for_update(no_key=True).filter(pk=check.member).first()
        if row is None:
            return
        before = row.check_report if row.check_report.get("run") == check.run else {}
        said = {**before.get("hosts", {}), str(host_id): {"state": found.state, "reason": found.reason}}
        said = {key: each for key, each in said.items() if int(key) in hosts}
        state = join_states([each["state"] for each in said.values()], len(hosts), str(before.get("state", "")))
        why = next((each["reason"] for each in said.values() if each["state"] == state and each["reason"]), "")
        after = {"run": check.run, "state": state, "reason": why, "hosts": said}
        if after == row.check_report:
            return
        is_news = (state, why) != (before.get("state"), before.get("reason"))
        row.check_report, row.checked_at = after, timezone.now() if is_news else row.checked_at
        row.save(update_fields=["check_report", "checked_at"])
    if is_news:
        enqueue("service", row.service_id)


def with_external_health(row: Service, result: ReconcileResult) -> ReconcileResult:
    """The result with the health of an external service, and what is wrong with it."""
    if row.kind != EXTERNAL or row.desired != "active":
        return result
    health, reason = external_health(row)
    return replace(result, status={**(result.status or {}), "health": health}, message=result.message or reason)


def external_health(row: Service) -> tuple[str, str]:
    """The health of an active external service, healthy without a check, and a reason where it is not all well."""
    target = row.options.external
    if not target.health_check:
        return HEALTHY, ""
    if not target.addresses:
        return HEALTHY, NAME_ONLY
    if not _able_hosts([row.environment_id])[row.environment_id]:
        return HEALTHY, NOBODY
    found = address_states(row)
    reasons = [f"{each.address}: {each.reason}" for each in found if each.reason]
    return _joint([each.state for each in found]), (reasons or [""])[0]


@dataclass(frozen=True, slots=True)
class AddressState:
    """What is known of one address of an external service; the reason says why it is not well, or not checked."""

    address: str
    state: str
    reason: str = ""


def address_states(row: Service) -> list[AddressState]:
    """Of the addresses of a service with a check; one query."""
    settings = row.options.external.health_check or {}
    members = row.members.exclude(address="").order_by("pk")
    return [
        AddressState(each.address, *_state_of(each, ExternalCheck(each.pk, row.environment_id, each.address, settings)))
        for each in members
    ]


def _state_of(member: ServiceMember, check: ExternalCheck) -> tuple[str, str]:
    if not is_checkable(member.address):
        return HEALTHY, OF_THE_HOST
    report = member.check_report if member.check_report.get("run") == check.run else {}
    state, reason = str(report.get("state") or INITIALIZING), str(report.get("reason", ""))
    if state == UNHEALTHY:
        return UNHEALTHY, reason or "its health check fails"
    return (HEALTHY, reason) if state == UNCHECKED else (state, "")


def _joint(words: Sequence[str]) -> str:
    if UNHEALTHY in words:
        return DEGRADED if HEALTHY in words else UNHEALTHY
    return INITIALIZING if INITIALIZING in words else HEALTHY


def unhealthy_addresses(environments: Collection[int]) -> dict[int, set[str]]:
    """The addresses of external services that fail their checks, by service."""
    found: dict[int, set[str]] = defaultdict(set)
    rows = ServiceMember.objects.filter(
        service__environment__in=environments,
        service__external__has_key="healthCheck",
        container=None,
        check_report__state=UNHEALTHY,
    )
    for service, address in rows.order_by().values_list("service", "address"):
        found[service].add(address)
    return found
