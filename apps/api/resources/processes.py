"""`processInstance`: what was asked and how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Link, Resource, Seen, register, root_letters
from apps.control.cancel import cancellable, operation_cancel, operation_retry, repeatable
from apps.control.models import Operation, OperationLine
from apps.core.ids import wire_id
from apps.environments.access import Verdict

_RESULT = {"succeeded": "SUCCESS", "failed": "FAILED", "superseded": "SUPERSEDED", "cancelled": "CANCELED"}


def _retry(caller: Caller, row: Operation, _data: Data) -> None:
    operation_retry(row, actor=caller.actor)


def _cancel(caller: Caller, row: Operation, _data: Data) -> None:
    operation_cancel(row, actor=caller.actor)


def _resource(seen: Seen) -> str:
    return wire_id(root_letters(seen.row.kind), seen.row.target)


@register
class ProcessInstance(Resource):
    """One operation."""

    name = "processInstance"
    model = Operation
    own = table("""
        accountId              reference[account] r <environment_id
        startTime              date               r <created
        endTime                date               r <ended
        authenticatedAsAccountId reference[account] r <account_id
        exitReason             string             r <message
        lines                  array[json]        r
        parentId               reference[processInstance] r <parent_id
        phase                  string             r <state
        priority               int                r
        processName            string             r <name
        progress               int                r <progress
        resourceId             string             r
        resourceType           string             r <kind
        result                 string             r
        runningProcessServerId string             r
        startProcessServerId   string             r
    """)
    computed = {
        "lines": lambda seen: seen.extra,
        "resourceId": _resource,
        "result": lambda seen: _RESULT.get(seen.row.state),
    }
    verbs = {"retry": Action(_retry), "cancel": Action(_cancel)}
    links = {"children": Link("processInstance", column="parent")}

    def rows(self, caller: Caller) -> Any:
        """The operations of the environments the caller sees."""
        return Operation.objects.within(caller.environments())

    def extras(self, caller: Caller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """The steps that were told of each, in one query, and in one what the caller may do where they are."""
        caller.actor.learn({row.environment_id for row in rows if row.environment_id})
        found: dict[int, list[Data]] = {row.pk: [] for row in rows}
        for line in OperationLine.objects.filter(operation__in=list(found)):
            found[line.operation_id].append({"at": line.at.isoformat(), "text": line.text})
        return found

    def verdict(self, caller: Caller, row: Any, action: str) -> Verdict:
        """What is going on may be cancelled, what failed tried again."""
        if action == "cancel":
            return cancellable(row, caller.actor)
        if row.is_open:
            return Verdict(allowed=False, reason=f"Not possible while it is {row.state}.")
        return repeatable(row, caller.actor)
