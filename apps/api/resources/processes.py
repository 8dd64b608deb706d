"""`processInstance`: operations and their progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import wire_name_column, wire_type, wire_type_column
from apps.api.wire.resource import (
    Action,
    Data,
    Link,
    Resource,
    RowContext,
    id_prefix_of,
)
from apps.api.wire.roles import READ_ONLY
from apps.control.cancel import (
    can_cancel,
    can_retry,
    operation_cancel,
    operation_retry,
)
from apps.control.models import Operation, OperationLine
from apps.core.ids import wire_id
from apps.environments.access import Verdict

_RESULT = {"succeeded": "SUCCESS", "failed": "FAILED", "superseded": "SUPERSEDED", "cancelled": "CANCELED"}


def _retry(caller: ApiCaller, row: Operation, _data: Data) -> None:
    operation_retry(row, actor=caller.actor)


def _cancel(caller: ApiCaller, row: Operation, _data: Data) -> None:
    operation_cancel(row, actor=caller.actor)


def _resource(context: RowContext) -> str:
    return wire_id(id_prefix_of(wire_type(context.row.kind)), context.row.target)


class ProcessInstanceResource(Resource):
    """One operation."""

    name = "processInstance"
    model = Operation
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId              reference[account] r <environment_id
        startTime              date               r <created
        endTime                date               r <ended
        authenticatedAsAccountId reference[account] r <account_id
        exitReason             string             r <message
        lines                  array[json]        r
        parentId               reference[processInstance] r <parent_id
        phase                  string             r <state
        priority               int                r
        processName            string             r <wire_name
        progress               int                r <progress
        resourceId             string             r
        resourceType           string             r <wire_kind
        result                 string             r
        runningProcessServerId string             r
        startProcessServerId   string             r
    """)
    computed = {
        "lines": lambda context: context.extra,
        "resourceId": _resource,
        "result": lambda context: _RESULT.get(context.row.state),
    }
    custom_actions = {"retry": Action(_retry), "cancel": Action(_cancel)}
    links = {"children": Link("processInstance", column="parent")}

    def rows(self, caller: ApiCaller) -> Any:
        """The operations of the environments the caller sees."""
        found = Operation.objects.within(caller.environments())
        return found.annotate(wire_kind=wire_type_column("kind"), wire_name=wire_name_column("name"))

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """The steps of each, in one query, and in another the caller's permissions where they are."""
        caller.actor.prefetch_permissions({row.environment_id for row in rows if row.environment_id})
        found: dict[int, list[Data]] = {row.pk: [] for row in rows}
        for line in OperationLine.objects.filter(operation__in=list(found)):
            found[line.operation_id].append({"at": line.at.isoformat(), "text": line.text})
        return found

    def verdict(self, caller: ApiCaller, row: Any, action: str) -> Verdict:
        """A pending operation can be cancelled, a failed one retried."""
        if action == "cancel":
            return can_cancel(row, caller.actor)
        if row.is_pending:
            return Verdict(
                allowed=False,
                reason=f"Not possible while it is {row.state}. Cancel it first, or wait until it is over.",
            )
        return can_retry(row, caller.actor)
