"""`networkCheck` (not in Rancher's v1): whether the hosts of an environment reach each other; creating one runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource, RowContext
from apps.api.wire.roles import TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.environments.models import Environment
from apps.environments.selectors import environments_by_id
from apps.hosts.models import Host
from apps.network.check_selectors import CheckView, check_views
from apps.network.check_services import MEASURED_FIELD, network_check
from apps.network.check_verdicts import CheckFinding
from apps.network.models import NetworkCheck


def _hosts(context: RowContext) -> list[Data]:
    view: CheckView = context.extra
    return [
        {
            "hostUuid": host.member.key,
            "name": host.member.name,
            "verdict": host.level if host.is_reported or host.findings else None,
            "findings": _texts(host.findings),
        }
        for host in view.hosts
    ]


def _pairs(context: RowContext) -> list[Data]:
    view: CheckView = context.extra
    return [
        {
            "hosts": [pair.first.name, pair.second.name],
            "hostUuids": [pair.first.key, pair.second.key],
            "verdict": pair.level,
            "findings": _texts(pair.findings),
            "roundTripMilliseconds": pair.round_trip,
            "clockDifferenceSeconds": pair.clock,
            "longestPacket": pair.largest or None,
            "bitsPerSecond": list(pair.throughput) if any(pair.throughput) else None,
        }
        for pair in view.pairs
    ]


def _hosts_named(environment: Environment, sent: Sequence[Any]) -> list[Host]:
    """The hosts with these ids, in their order. Raises `Invalid`."""
    rows = Host.objects.within([environment.pk]).filter(pk__in=[row_number(each) or 0 for each in sent], removed=None)
    known = {row.pk: row for row in rows}
    missing = next((each for each in sent if row_number(each) not in known), None)
    if missing is not None:
        why = f"There is no host {str(missing)[:40]!r} in this environment."
        raise Invalid(MEASURED_FIELD, "InvalidReference", why)
    return [known[row_number(each) or 0] for each in sent]


def _texts(findings: Sequence[CheckFinding]) -> list[str]:
    return [finding.text for finding in findings]


class NetworkCheckResource(Resource):
    """The newest check of an environment's hosts: there is one for each environment, and creating it runs it again."""

    name = "networkCheck"
    model = NetworkCheck
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "c"})
    own_fields = parse_fields("""
        name        string      r <name
        description string      r <description
        verdict     enum        r :ok|warning|failed
        started     date        r <started
        checkedAt   date        r <checked_at
        hosts       array[json] r
        pairs       array[json] r
        throughputBetween array[reference[host]] c
    """)
    computed = {
        "verdict": lambda context: context.extra.verdict or None,
        MEASURED_FIELD: lambda _context: None,
        "hosts": _hosts,
        "pairs": _pairs,
    }

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:  # noqa: ARG002 - the base's signature
        """What the hosts of each reported, judged."""
        return check_views(rows)

    def create(self, caller: ApiCaller, data: Data) -> NetworkCheck:
        """Check the hosts now, and measure between two of them where that is wanted."""
        environment = caller.require_environment()
        hosts = _hosts_named(environment, data.get(MEASURED_FIELD) or ())
        return network_check(environment, actor=caller.actor, measured=hosts)

    def act(self, caller: ApiCaller, row: NetworkCheck, action: str) -> None:  # noqa: ARG002 - the only action is `run`
        """Check them again."""
        (environment,) = environments_by_id([row.environment_id])
        network_check(environment, actor=caller.actor)
        row.refresh_from_db()
