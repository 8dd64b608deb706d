"""`auditVerification`: whether an audit log is as it was written."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Resource, Seen, register
from apps.control.verify import Report, chains, unverified, verify
from apps.core.ids import wire_id


def _faults(seen: Seen) -> list[dict[str, Any]] | None:
    report: Report = seen.row
    return [
        {"auditLogId": wire_id("al", each.line) if each.line else None, "what": each.what} for each in report.faults
    ]


@register
class AuditVerification(Resource):
    """One chain: an environment's for its owners, all of them and the installation's for administrators.

    Asking for one verifies it; the list only names them (`whole` is null).
    """

    name = "auditVerification"
    sortable = False
    own = table("""
        accountId reference[account] r <environment_id
        name      string             r <name
        whole     boolean            r <verdict
        lines     int                r <lines
        forgotten int                r <forgotten
        end       string             r <digest
        faults    array[json]        r
    """)
    computed = {"faults": _faults}

    def key_of(self, row: Report) -> int:
        """The environment's number; 0 is the installation's chain of log-ins, accounts and settings."""
        return row.chain

    def listed(self, caller: Caller, asked: QueryDict) -> list[Report]:  # noqa: ARG002 - the base's signature
        """The chains there are for the caller."""
        return unverified(_open(caller))

    def find(self, caller: Caller, key: int | str | None) -> Report | None:
        """One chain, verified now."""
        return verify(key) if isinstance(key, int) and key in chains(_open(caller)) else None


def _open(caller: Caller) -> set[int]:
    site = {0} if caller.actor.is_admin and caller.environment is None else set()
    return {*caller.environments("own"), *site}
