"""Which hosts check which containers over the managed network: worked out once for a whole environment.

A busy environment has its containers looked at all the time; only when they, or its hosts, have changed are the checks
shared out again, and only hosts whose own checks became others get a document.
"""

from __future__ import annotations

import threading
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, QuerySet, Sum
from django.utils import timezone

from apps.containers.health_quorum import JointReport, ReportedHealth, checking_hosts, join_reports
from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.core.fixed_query import FixedQuery
from apps.hosts.fleet import ACCEPTING
from apps.hosts.models import TAKES_DOCUMENTS, Host
from apps.network.models import ACTIVE, EnvironmentNetwork

TARGET = "check_target"  # in the status of a container with a check: where it is made
_FIELDS = ("uuid", "host", "network_check", "check_report", "start_count", "status")


@dataclass(frozen=True, slots=True)
class CheckingFleet:
    """The hosts of an environment that reach each other's containers, in the `subnet` where these are."""

    hosts: frozenset[int] = frozenset()
    subnet: str = ""

    def of(self, row: Container) -> tuple[int, ...]:
        """The hosts that check a container, its own first, and alone where others do not reach its address."""
        own, address = row.host_id or 0, str((row.status.get(TARGET) or {}).get("address", ""))
        others = self.hosts - {own} if own in self.hosts and self._has(address) else ()
        return checking_hosts(row.pk, own, others)

    def _has(self, address: str) -> bool:
        try:
            return bool(self.subnet) and IPv4Address(address) in IPv4Network(self.subnet)
        except AddressValueError:
            return False


def fleets_of(environments: Collection[int]) -> dict[int, CheckingFleet]:
    """The checking hosts of environments, in two queries; in none without environments."""
    if not environments:
        return {}
    able = Host.all_objects.filter(TAKES_DOCUMENTS, environment__in=environments, removed=None, lost_at=None)
    hosts: dict[int, set[int]] = defaultdict(set)
    rows = able.filter(display_state__in=ACCEPTING, network__state=ACTIVE, network__environment=F("environment"))
    for environment, host in rows.values_list("environment", "pk"):
        hosts[environment].add(host)
    subnets = EnvironmentNetwork.objects.filter(pk__in=hosts).values_list("pk", "subnet")
    return {key: CheckingFleet(frozenset(hosts[key]), subnet) for key, subnet in subnets}


@dataclass(frozen=True, slots=True)
class _Shared:
    """The checks of one environment as they were shared out at one version of it: by host, a text by container."""

    version: str
    by_host: Mapping[int, Mapping[int, str]]


_known: dict[int, _Shared] = {}
_joined_for: dict[int, CheckingFleet] = {}  # the hosts whose reports were joined last, by environment
_lock = threading.Lock()


def check_versions() -> dict[int, str]:
    """Of each host with checks a text that changes whenever they might have changed."""
    texts = _texts_by_environment(_TEXTS.rows())
    fleets = fleets_of(texts)
    found: dict[int, str] = {}
    for gone in _known.keys() - texts.keys():
        _known.pop(gone, None)
        _joined_for.pop(gone, None)
    for environment, own in texts.items():
        fleet = fleets.get(environment, CheckingFleet())
        shared = _shared(environment, own, fleet)
        if shared is None:
            found |= own
        else:
            found |= {host: str(zlib.crc32(repr(each).encode())) for host, each in shared.by_host.items()}
        # Not by what was shared out last: whoever builds a document meanwhile shares out anew as well.
        if fleet != _joined_for.get(environment, CheckingFleet()):
            on_fleet_changed(environment, fleet)
            _joined_for[environment] = fleet
    return found


def _texts_of(environment: int) -> dict[int, str]:
    """Of each host of an environment a text that changes whenever anything of its checked containers might have."""
    return _texts_by_environment(_TEXTS_OF_ONE.rows([environment])).get(environment, {})


def _texts_by_environment(groups: Iterable[tuple[Any, ...]]) -> dict[int, dict[int, str]]:
    texts: dict[int, dict[int, str]] = defaultdict(dict)
    for environment, host, count, at, starts in groups:
        texts[environment][host] = f"{count} {at} {starts}"
    return dict(texts)


def _groups(rows: QuerySet[Container]) -> QuerySet[Any, Any]:
    mine = rows.filter(network_check__isnull=False, removed=None, host__isnull=False).order_by()
    return mine.values_list("environment", "host").annotate(Count("pk"), Max("observed_at"), Sum("start_count"))


_TEXTS = FixedQuery(lambda _keys: _groups(Container.all_objects.all()))
_TEXTS_OF_ONE = FixedQuery(lambda keys: _groups(Container.all_objects.filter(environment=keys[0])))


def _shared(environment: int, own: Mapping[int, str], fleet: CheckingFleet) -> _Shared | None:
    """The checks as they are shared out now; None where each host makes its own."""
    with _lock:
        if len(fleet.hosts) < 2:
            _known.pop(environment, None)
            return None
        version = f"{sorted(own.items())} {sorted(fleet.hosts)} {fleet.subnet}"
        known = _known.get(environment)
        if known is None or known.version != version:
            known = _known[environment] = _Shared(version, _share(environment, fleet))
        return known


def _share(environment: int, fleet: CheckingFleet) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = defaultdict(dict)
    for row in checkable(Container.all_objects.filter(environment=environment)):
        text = f"{row.start_count} {row.status.get('started_at')} {row.status[TARGET]} {row.network_check}"
        for host in fleet.of(row):
            found[host][row.pk] = text
    return dict(found)


def checkable(rows: QuerySet[Container]) -> list[Container]:
    """Those of them that run and have an address to be checked at; one query."""
    found = rows.filter(network_check__isnull=False, removed=None, state="running", host__isnull=False)
    found = found.exclude(desired__in=("removed", "purged")).order_by("pk").only(*_FIELDS)
    return [row for row in found if row.status.get(TARGET)]


def containers_checked_by(host: int) -> list[Container]:
    """The containers that a host checks."""
    environment = Host.all_objects.filter(pk=host).values_list("environment", flat=True).first()
    if environment is None:
        return []
    fleet = fleets_of([environment]).get(environment, CheckingFleet())
    texts = _texts_of(environment)
    shared = _shared(environment, texts, fleet)
    mine = {"host": host} if shared is None else {"pk__in": shared.by_host.get(host, {})}
    return checkable(Container.all_objects.filter(**mine))


def fleet_of_host(host: int) -> tuple[int, CheckingFleet]:
    """The environment of a host, and its checking hosts; 0 where there is no such host."""
    environment = Host.all_objects.filter(pk=host).values_list("environment", flat=True).first()
    if environment is None:
        return 0, CheckingFleet()
    return environment, fleets_of([environment]).get(environment, CheckingFleet())


def on_fleet_changed(environment: int, fleet: CheckingFleet) -> None:
    """Let those speak for containers that check them now: who is gone reports no more, and its word must not stay."""
    rows = Container.all_objects.filter(environment=environment, network_check__isnull=False, removed=None)
    for key in rows.filter(host__isnull=False, check_report__has_key="hosts").values_list("pk", flat=True):
        take_report(key, fleet)


def take_report(key: int, fleet: CheckingFleet, host: int = 0, report: ReportedHealth | None = None) -> None:
    """Join what a host reports of a container with what others do, and requeue the container if that is news.

    Without a report what is known is joined anew.
    """
    now = timezone.now()
    with transaction.atomic():
        row = Container.all_objects.select_for_update(of=("self",)).filter(pk=key).only(*_FIELDS).first()
        if row is None or row.host_id is None:
            return
        hosts = fleet.of(row)
        if report is not None and host not in hosts:
            return
        before = JointReport.from_json(row.check_report)
        reports = dict(before.by_host or {})
        if report is not None:
            reports[host] = report
        after = _joined(hosts, reports, before, report, now)
        if after == row.check_report:
            return
        Container.all_objects.filter(pk=key).update(check_report=after)
        is_news = _without_hosts(after) != _without_hosts(row.check_report)
    if is_news:
        enqueue("container", key)


def _joined(
    hosts: Sequence[int],
    reports: Mapping[int, ReportedHealth],
    before: JointReport,
    report: ReportedHealth | None,
    now: datetime,
) -> dict[str, Any]:
    """The report to be kept; that of a host that checks alone is kept as it is."""
    if len(hosts) == 1:
        own = report or reports.get(hosts[0])
        return own.to_json() if own is not None else _without_hosts(before.to_json())
    return join_reports(hosts, reports, before, now).to_json()


def _without_hosts(report: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in report.items() if name != "hosts"}
