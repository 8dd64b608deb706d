"""When a service runs, `serviceSchedule`, and the history of its runs, `serviceRun`. Not in v1."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.utils import timezone

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Data, Link, Resource, RowContext
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.stacks.models import ServiceRun
from apps.stacks.selectors import runs_of_environments

NEXT_SHOWN = 5


class ServiceScheduleResource(EmbeddedResource):
    """When a service runs: `nextRuns` are the times at which it is due next, and not sent."""

    name = "serviceSchedule"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        cron     string        cu * 1..200
        timeZone string        cu =UTC 1..100
        overlap  enum          cu =skip :skip|wait|replace
        keepRuns int           cu =5 1..100
        timeLimit int          cu 1..2592000
        catchUp  boolean       cu =false
        nextRuns array[date]   r
    """)


def serialize_schedule(context: RowContext) -> Data | None:
    """The schedule of a service with the times at which it is due next; None for one without."""
    schedule = context.row.timetable
    if schedule is None:
        return None
    is_started = context.row.desired == "active"
    times = schedule.next_times(timezone.now(), NEXT_SHOWN) if is_started else []
    return {"type": "serviceSchedule", **schedule.to_wire(), "nextRuns": [each.astimezone(UTC) for each in times]}


class ServiceRunResource(Resource):
    """One run of a scheduled service, or due times at which there was none (`skipped`, `missed`; `count` of them)."""

    name = "serviceRun"
    id_letters = "srun"
    former_id_letters = "sr"
    model = ServiceRun
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId             reference[account]  r <service__environment_id
        count                 int                 r <count
        created               date                r <created
        dueAt                 date                r <due_at
        endedAt               date                r <ended_at
        exitCode              int                 r <exit_code
        firstDueAt            date                r <first_due_at
        instanceId            reference[instance] r <container_id
        kind                  string              r
        requestedBy           string              r
        revision              int                 r <revision
        serviceId             reference[service]  r <service_id
        startedAt             date                r <started_at
        state                 enum                r <state ~
        transitioning         enum                r ~ :yes|no|error
        transitioningMessage  string              r <message
        transitioningProgress int                 r
        trigger               enum                r <trigger :schedule|catch-up|manual
    """)
    computed = {
        "requestedBy": lambda context: str(context.row.account) if context.row.account else None,
        "transitioning": lambda context: "yes" if context.row.is_live else "no",
        "transitioningMessage": lambda context: context.row.message or None,
        "transitioningProgress": ALWAYS_ACTIVE["transitioningProgress"],
    }
    links = {
        "service": Link("service", attribute="service_id"),
        "instance": Link("container", attribute="container_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """The runs of the services that the caller sees."""
        return runs_of_environments(caller.environments())
