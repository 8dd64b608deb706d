"""Having the hosts of an environment check whether they reach each other."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.control.services import create, request_change
from apps.core.errors import Forbidden, Invalid, Problem
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.check_reports import CheckReport, storable_report
from apps.network.environment_networks import network_of
from apps.network.models import HostCheck, HostNetwork, NetworkCheck

_NAME = "hosts"
MEASURED_FIELD = "throughputBetween"
MOST_UNASKED = 50
"""Up to so many hosts are checked without anybody asking for it."""


def network_check(
    environment: Environment, *, actor: Actor | None, measured: Sequence[Host] | None = None
) -> NetworkCheck:
    """Have all hosts check each other, from now on; two `measured` ones send to each other as fast as they can, too.

    Raises `Forbidden` (only owners have something measured), `Invalid` for other than two hosts that take part, and
    `Conflict` when somebody else just began a check.
    """
    wanted = _check_measured(environment, actor, measured)
    row = check_of(environment.pk)
    if row is None:
        network_of(environment.pk)
        made = NetworkCheck(environment=environment, name=_NAME, measured=wanted)
        try:
            with transaction.atomic():
                create(made, actor=actor)
                return made
        except IntegrityError:  # made by somebody else in this moment
            row = NetworkCheck.all_objects.get(environment=environment.pk)
    changes = {"started": timezone.now(), "measured": wanted}
    request_change(row, "run", actor=actor, changes=changes, request={"measured": wanted} if wanted else {})
    return row


def _check_measured(environment: Environment, actor: Actor | None, hosts: Sequence[Host] | None) -> list[str]:
    """The uuids of the hosts to be measured. It fills the link between them, which other containers need."""
    if not hosts:
        return []
    allowed = can(actor, "own", environment.pk) if actor is not None else None
    if allowed is not None and not allowed:
        raise Forbidden(f"Measuring fills the link between two hosts. {allowed.reason}")
    if len({host.pk for host in hosts}) != 2 or len(hosts) != 2:
        raise Invalid(MEASURED_FIELD, "InvalidOption", "Throughput is measured between two different hosts: name both.")
    parts = {part.pk: part for part in HostNetwork.objects.filter(host__in=hosts, host__removed=None)}
    for host in hosts:
        part = parts.get(host.pk)
        if part is None or not part.is_active:
            why = part.reason if part is not None and part.reason else "its part of the network is not active"
            raise Invalid(MEASURED_FIELD, "InvalidReference", f"Nothing can be measured with {host}: {why}")
    return [str(host.uuid) for host in hosts]


def check_of(environment_id: int) -> NetworkCheck | None:
    """The check of an environment's hosts; None before the first."""
    found: NetworkCheck | None = NetworkCheck.all_objects.filter(environment=environment_id).first()
    return found


def check_new_host(host: Host) -> None:
    """Check the hosts once a new one takes part; a check that is running takes it in by itself.

    Not where there are so many that each check is a burden: every host that comes has documents sent to all others.
    Nor for simulated hosts, which all have the address of the machine that plays them, and no network at all.
    """
    if host.agent.get("simulated"):
        return
    row: HostCheck = HostCheck.objects.get_or_create(host=host, defaults={"environment_id": host.environment_id})[0]
    if row.generation != 0:
        return
    running, everybody = check_of(host.environment_id), HostNetwork.objects.filter(environment=host.environment_id)
    if (running is None or not running.is_running) and everybody.count() <= MOST_UNASKED:
        with contextlib.suppress(Problem):  # somebody else has just begun one
            network_check(host.environment, actor=None)


def take_check_report(host: Host, status: Mapping[str, Any]) -> None:
    """Keep what a host's agent reports of the check that is running; what comes late, or of another, is dropped."""
    report = CheckReport.parse(status)
    if report is None:
        return
    row = check_of(host.environment_id)
    if row is None or not row.is_running or report.check != row.generation:
        return
    columns = {"environment_id": host.environment_id, "generation": report.check, "report": storable_report(status)}
    HostCheck.objects.update_or_create(host=host, defaults=columns)


def note_uncheckable(host: Host, reason: str) -> None:
    """Note that the host's agent takes part in no checks, and why."""
    columns = {"environment_id": host.environment_id, "report": {"unsupported": reason[:300]}}
    HostCheck.objects.update_or_create(host=host, defaults=columns)
