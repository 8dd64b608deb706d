"""The part of forms that says when a service runs, and the live answer to it: the next times."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from django.utils.dateformat import format as format_date

from apps.console.request_context import RequestContext, member_required, post_required
from apps.core.errors import Invalid, Problem
from apps.stacks.cron import time_zones
from apps.stacks.schedule import OVERLAPS, Schedule

FIELDS = ("cron", "timeZone", "overlap", "keepRuns", "timeLimit", "catchUp")
PREVIEWED = 5


def parse_schedule(sent: QueryDict) -> dict[str, Any]:
    """What was typed, as a client of the API would send it; the service checks it."""
    typed = {name: sent.get(name, "").strip() for name in FIELDS}
    return {**typed, "catchUp": bool(typed["catchUp"])}


def schedule_values(schedule: Schedule | None) -> dict[str, Any]:
    """What the form shows of a schedule; the defaults without one."""
    found = (schedule or Schedule("")).to_wire()
    return {**found, "timeLimit": "" if found["timeLimit"] is None else found["timeLimit"]}


def schedule_errors(problem: Problem) -> dict[str, str]:
    """What is wrong with a schedule, by the names of the form's fields."""
    field = str(problem.field or "")
    return {field.removeprefix("schedule."): problem.message} if field.startswith("schedule.") else {}


def schedule_choices() -> dict[str, Any]:
    """The choices of the form."""
    return {"time_zones": time_zones(), "overlaps": OVERLAPS}


@member_required
@post_required
def preview(ctx: RequestContext) -> HttpResponse:
    """The next times of what is typed, as clocks of its time zone show them; updated while it is typed."""
    sent, context = ctx.request.POST, dict[str, Any]()
    if sent.get("cron", "").strip():  # nothing was typed yet: that is no mistake
        try:
            schedule = Schedule.from_wire({name: sent.get(name, "").strip() for name in ("cron", "timeZone")})
        except Invalid as problem:
            context["problem"] = problem
        else:
            times = schedule.next_times(timezone.now(), PREVIEWED) if schedule else []
            context["times"] = [format_date(each, "D Y-m-d H:i T") for each in times]
    return ctx.render("console/parts/schedule_preview.html", context)
