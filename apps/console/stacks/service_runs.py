"""The runs of a scheduled service, as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.dateformat import format as format_date
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.containers.models import Container
from apps.stacks.models import Service, ServiceRun
from apps.stacks.run_plan import BY_HAND, CATCH_UP, NEVER_RAN
from apps.stacks.runs import RUNS
from apps.stacks.schedule import Schedule
from apps.stacks.selectors import runs_of

MAX_SHOWN = 30


@dataclass(frozen=True, slots=True)
class RunRow:
    """One entry of the history, with its times as clocks of the schedule's time zone show them."""

    run: ServiceRun
    due: str
    why: str
    took: str = ""

    @property
    def container(self) -> Container | None:
        """Its container, as long as that is kept."""
        found = self.run.container
        return found if found is not None and found.removed is None else None


def run_rows(row: Service) -> list[RunRow]:
    """The last entries of the history, in one query; none of a service that was never scheduled."""
    schedule = row.timetable
    if schedule is None and RUNS not in row.status:
        return []
    return [RunRow(run, _due(run, schedule), _why(run), _took(run)) for run in runs_of(row)[:MAX_SHOWN]]


def _due(run: ServiceRun, schedule: Schedule | None) -> str:
    last = _local(run.due_at, schedule)
    if run.count == 1 or run.state not in NEVER_RAN:
        return last
    return _("%(first)s to %(last)s") % {"first": _local(run.first_due_at, schedule), "last": last}


def _local(moment: datetime, schedule: Schedule | None) -> str:
    return format_date(schedule.local(moment) if schedule else moment, "Y-m-d H:i")


def _why(run: ServiceRun) -> str:
    if run.state in NEVER_RAN:
        return ngettext("%(count)d due time", "%(count)d due times", run.count) % {"count": run.count}
    if run.trigger == BY_HAND:
        return _("by hand, %(who)s") % {"who": run.account} if run.account else _("by hand")
    return _("caught up") if run.trigger == CATCH_UP else _("by schedule")


def _took(run: ServiceRun) -> str:
    if run.started_at is None or run.ended_at is None:
        return ""
    return str(timedelta(seconds=round((run.ended_at - run.started_at).total_seconds())))


def next_run(row: Service) -> datetime | None:
    """When it is due next, as the loop found it; None while it is stopped."""
    found = (row.status.get(RUNS) or {}).get("next") if row.schedule and row.desired == "active" else None
    return parse_datetime(found) if found else None
