"""`processInstance`: what was asked and how far it is."""

from __future__ import annotations

from typing import Any

from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Resource, Seen, register, root_letters
from apps.control.models import Operation
from apps.control.services import operation_retry
from apps.core.ids import wire_id
from apps.environments.access import Verdict, can

_RESULT = {"succeeded": "SUCCESS", "failed": "FAILED", "superseded": "SUPERSEDED", "cancelled": "CANCELED"}


def _retry(caller: Caller, row: Operation, _data: Data) -> None:
    operation_retry(row, actor=caller.actor)


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
        exitReason             string             r <message
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
        "resourceId": _resource,
        "result": lambda seen: _RESULT.get(seen.row.state),
    }
    verbs = {"retry": Action(_retry)}

    def rows(self, caller: Caller) -> Any:
        """The operations of every environment, the newest first."""
        return Operation.objects.within(caller.environments())

    def verdict(self, caller: Caller, row: Any, action: str) -> Verdict:  # noqa: ARG002 - the base's signature
        """Retrying makes sense for what failed."""
        if row.state != "failed":
            return Verdict(allowed=False, reason=f"Not possible while it is {row.state}.")
        return can(caller.actor, "operate", row.environment_id)
