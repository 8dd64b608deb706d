"""Reads of the checks between hosts for the faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.network.check_members import CheckState, check_states
from apps.network.check_services import check_of
from apps.network.check_verdicts import OK, CheckFinding, HostVerdict, PairVerdict, judge_hosts, judge_pairs, worst
from apps.network.models import NetworkCheck


@dataclass(frozen=True, slots=True)
class CheckView:
    """The newest check of an environment's hosts, as of now; `row` is None before the first."""

    row: NetworkCheck | None
    hosts: tuple[HostVerdict, ...] = ()
    pairs: tuple[PairVerdict, ...] = ()

    @property
    def is_running(self) -> bool:
        """Whether it is still going on."""
        return self.row is not None and self.row.is_running

    @property
    def as_of(self) -> datetime | None:
        """When it ended; while it runs, when it began."""
        if self.row is None:
            return None
        return self.row.started if self.is_running else self.row.checked_at

    @property
    def verdict(self) -> str:
        """The worst of everything; empty before the end."""
        if self.row is None or self.is_running:
            return ""
        return worst([*(host.level for host in self.hosts), *(pair.level for pair in self.pairs)])

    @property
    def troubled_hosts(self) -> list[HostVerdict]:
        """Those with findings of their own."""
        return [host for host in self.hosts if host.level != OK]

    @property
    def troubled_pairs(self) -> list[PairVerdict]:
        """Those with findings, the failed ones first."""
        return [pair for pair in self.pairs if pair.level != OK]

    def of_host(self, key: str) -> tuple[CheckFinding, ...]:
        """Everything that concerns the host with this uuid."""
        own = [finding for host in self.hosts if host.member.key == key for finding in host.findings]
        pairs = [pair for pair in self.pairs if key in {pair.first.key, pair.second.key}]
        return (*own, *(finding for pair in pairs for finding in pair.findings))


def check_view(environment_id: int) -> CheckView:
    """The newest check of an environment, in a constant number of queries."""
    row = check_of(environment_id)
    return check_views([row])[row.pk] if row is not None else CheckView(None)


def check_views(rows: Sequence[NetworkCheck]) -> dict[int, CheckView]:
    """These checks by their keys, in a constant number of queries."""
    states = check_states(rows)
    return {row.pk: _view(row, states[row.environment_id]) for row in rows}


def _view(row: NetworkCheck, state: CheckState) -> CheckView:
    is_over = not row.is_running
    return CheckView(
        row,
        tuple(judge_hosts(state.terms, state.members, state.reports, is_over=is_over)),
        tuple(judge_pairs(state.terms, state.members, state.reports, is_over=is_over)),
    )
