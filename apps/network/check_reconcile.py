"""The loop's part of a check: it looks at what hosts have reported, and ends the check once nothing new is to come."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from apps.core.plurals import counted
from apps.core.result import ReconcileResult
from apps.network.check_members import CheckState, check_states
from apps.network.check_verdicts import BROKEN, LONGEST, OK, count_open, is_decided, judge_hosts, judge_pairs, worst
from apps.network.lifecycle import CHECKED, CHECKING
from apps.network.models import HostNetwork, NetworkCheck

_LOOK_AGAIN, _HOSTS_A_SECOND = 1.0, 20  # the reports of 200 hosts take half a second to read
_LONGEST_WITH_JOINS = 180.0


def reconcile_network_check(row: NetworkCheck) -> ReconcileResult:
    """Wait for the hosts' reports: they arrive by themselves, and are kept whatever becomes of this process."""
    if row.is_over:
        return ReconcileResult(state=CHECKED, status=row.status, message=row.message)
    state = check_states([row])[row.environment_id]
    seconds = _seconds(row)
    is_measuring = state.awaits_throughput and seconds < LONGEST
    if is_measuring or not is_decided(state.terms, state.members, state.reports, seconds):
        return _pending_result(state)
    verdict, text = _summary(state)
    return ReconcileResult(
        state=CHECKED,
        status={"verdict": verdict},
        message="" if verdict == OK else text,
        fields={"checked_at": timezone.now()},
        notes=(text,),
    )


def _seconds(row: NetworkCheck) -> float:
    """Since it was requested, or since the newest host joined it, as long as hosts do not come without an end."""
    now = timezone.now()
    joined = HostNetwork.objects.filter(environment=row.environment_id, host__removed=None)
    newest: datetime | None = joined.order_by("-state_since").values_list("state_since", flat=True).first()
    whole = (now - row.started).total_seconds()
    since = max(row.started, newest or row.started)
    return whole if whole >= _LONGEST_WITH_JOINS else (now - since).total_seconds()


def _pending_result(state: CheckState) -> ReconcileResult:
    hosts = [member for member in state.members if not member.absence]
    everything = len(hosts) * len(hosts)
    left = count_open(state.terms, state.members, state.reports)
    reported = sum(member.key in state.reports for member in hosts)
    text = (
        f"Reports of {reported} of {counted(len(hosts), 'host')};"
        f" {everything - left} of {counted(everything, 'check')} fine so far."
    )
    done = 100 * (everything - left) // max(everything, 1)
    return ReconcileResult(
        state=CHECKING, message=text, requeue_after=_LOOK_AGAIN + len(hosts) / _HOSTS_A_SECOND, progress=min(done, 99)
    )


def _summary(state: CheckState) -> tuple[str, str]:
    hosts = judge_hosts(state.terms, state.members, state.reports, is_over=True)
    pairs = judge_pairs(state.terms, state.members, state.reports, is_over=True)
    levels = [*(host.level for host in hosts), *(pair.level for pair in pairs)]
    failed, warned = levels.count(BROKEN), sum(level not in {OK, BROKEN} for level in levels)
    if not failed and not warned:
        return OK, f"All is well with {counted(len(hosts), 'host')} and {counted(len(pairs), 'pair')} of them."
    text = (
        f"Of the checks of hosts and pairs of hosts, {failed} failed and {warned} ended with warnings;"
        " see the page of the network."
    )
    return worst(levels), text
