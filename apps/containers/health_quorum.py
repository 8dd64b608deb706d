"""Who checks a container over the network, and what all of them together say. Pure.

One host may lose sight of a container that works, by a cable of its own; so others look as well, and what most of them
say counts. The container's own host is one of them: as long as it finds the container healthy while others do not
reach it, it may be a network that is about to come back, and nothing is decided for a while.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

MOST_OTHERS = 3
DOUBT = timedelta(seconds=30)
HEALTHY, UNHEALTHY, INITIALIZING, UNCHECKED = "healthy", "unhealthy", "initializing", "unchecked"
_DECIDED = frozenset({HEALTHY, UNHEALTHY})


def checking_hosts(container: int, own: int, others: Collection[int]) -> tuple[int, ...]:
    """The container's own host and up to three others, which stay the same while they are there."""
    return (own, *ranked_hosts(container, others))


def ranked_hosts(key: int, hosts: Collection[int]) -> tuple[int, ...]:
    """Up to three of the hosts for what has this key, which stay the same while they are there."""
    ranked = sorted(hosts, key=lambda host: (zlib.crc32(f"{key} {host}".encode()), host))
    return tuple(ranked[:MOST_OTHERS])


@dataclass(frozen=True, slots=True)
class ReportedHealth:
    """What one host says of a run of a container."""

    state: str
    run: str = ""
    reason: str = ""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ReportedHealth:
        """The value that `to_json` stored."""
        return cls(str(found.get("state", "")), str(found.get("run", "")), str(found.get("reason", "")))

    def to_json(self) -> dict[str, str]:
        """As a row keeps it."""
        return {"state": self.state, "run": self.run, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class JointReport:
    """What the checking hosts say together of a run; `by_host` is what each says.

    `doubted_since` when others lost sight of what its own host finds healthy: after a while that is unhealthy.
    """

    state: str
    run: str = ""
    reason: str = ""
    by_host: Mapping[int, ReportedHealth] | None = None
    doubted_since: datetime | None = None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> JointReport:
        """The value that `to_json` stored; a report of one host alone has no more than its own."""
        hosts = {int(key): ReportedHealth.from_json(each) for key, each in (found.get("hosts") or {}).items()}
        own = ReportedHealth.from_json(found)
        return cls(own.state, own.run, own.reason, hosts, parse_datetime(str(found.get("doubted_since") or "")))

    def to_json(self) -> dict[str, Any]:
        """As a row keeps it."""
        hosts = {str(key): each.to_json() for key, each in sorted((self.by_host or {}).items())}
        doubt = {"doubted_since": self.doubted_since.isoformat()} if self.doubted_since else {}
        return {"state": self.state, "run": self.run, "reason": self.reason, "hosts": hosts, **doubt}

    def state_at(self, now: datetime) -> str:
        """The state once the time of doubt is over."""
        return UNHEALTHY if self.doubted_since is not None and now - self.doubted_since >= DOUBT else self.state

    def doubt_left(self, now: datetime) -> timedelta | None:
        """How much longer it is in doubt; None when it is not."""
        left = self.doubted_since + DOUBT - now if self.doubted_since is not None else timedelta()
        return left if left > timedelta() else None


def join_reports(
    hosts: Sequence[int], reports: Mapping[int, ReportedHealth], before: JointReport, now: datetime
) -> JointReport:
    """What these checking hosts, the container's own first, say together.

    More than half of those that can check have to agree; who has not reported of this run yet agrees with nobody. As
    long as nothing is agreed upon, what was stays, and of a new run counts what the own host says.
    """
    run = _current_run(hosts, reports, before)
    mine = {host: reports[host] for host in hosts if host in reports}
    voting = {host: each for host, each in mine.items() if each.run == run and each.state != UNCHECKED}
    silent = sum(host not in mine or mine[host].run != run for host in hosts)
    needed = (len(voting) + silent) // 2 + 1
    if not voting and not silent:
        reason = next((each.reason for each in mine.values() if each.reason), "")
        return JointReport(UNCHECKED, run, reason, mine)
    for state in (UNHEALTHY, HEALTHY):
        agreed = [host for host, each in voting.items() if each.state == state]
        if len(agreed) >= needed:
            found = _agreed(state, agreed, hosts[0], voting)
            return _with_doubt(JointReport(found.state, run, found.reason, mine), voting.get(hosts[0]), before, now)
    own = voting.get(hosts[0], ReportedHealth(INITIALIZING))
    kept = ReportedHealth(before.state, run, before.reason) if before.run == run and before.state in _DECIDED else own
    return JointReport(kept.state, run, kept.reason if kept.state == UNHEALTHY else "", mine)


def _current_run(hosts: Sequence[int], reports: Mapping[int, ReportedHealth], before: JointReport) -> str:
    """The run that the own host speaks of, as it learns of a new one first; else the one that is spoken of already."""
    own = reports.get(hosts[0])
    if own is not None and own.run:
        return own.run
    return before.run or next((reports[host].run for host in hosts if host in reports), "")


def _agreed(state: str, agreed: Sequence[int], own: int, voting: Mapping[int, ReportedHealth]) -> ReportedHealth:
    """The state with a reason: that of the own host, if it is among those that agree."""
    source = own if own in agreed else agreed[0]
    reason = voting[source].reason if state == UNHEALTHY else ""
    if state == UNHEALTHY and source != own:
        reason = f"other hosts do not reach it: {reason}" if reason else "other hosts do not reach it"
    return ReportedHealth(state, reason=reason[:200])


def _with_doubt(found: JointReport, own: ReportedHealth | None, before: JointReport, now: datetime) -> JointReport:
    """Unhealthy for others while its own host finds it healthy: not believed before it has lasted for a while."""
    if found.state != UNHEALTHY or own is None or own.state != HEALTHY:
        return found
    is_same = before.run == found.run
    if is_same and before.state == UNHEALTHY:
        return found
    since = before.doubted_since if is_same and before.doubted_since is not None else now
    return JointReport(HEALTHY, found.run, found.reason, found.by_host, since)
