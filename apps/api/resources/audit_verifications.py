"""`auditVerification`: whether the audit log is unchanged since it was written."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Resource, RowContext
from apps.api.wire.roles import TypeRoles
from apps.control.audit.verify import (
    ChainReport,
    chain_numbers,
    unverified_reports,
    verify,
)
from apps.core.ids import wire_id


def _faults(context: RowContext) -> list[dict[str, Any]] | None:
    report: ChainReport = context.row
    return [
        {"auditLogId": wire_id("al", each.line) if each.line else None, "what": each.what} for each in report.faults
    ]


class AuditVerificationResource(Resource):
    """One audit chain: an environment's for its owners, all chains and the installation's for administrators.

    Reading one verifies it; the list only names them (`whole` is null), since a chain can be long.
    """

    name = "auditVerification"
    roles = TypeRoles(user="r", admin="r", environment={"own": "r"})
    sortable = False
    own_fields = parse_fields("""
        accountId reference[account] r <environment_id
        name      string             r <name
        whole     boolean            r <verdict
        lines     int                r <lines
        forgotten int                r <pruned
        end       string             r <digest
        faults    array[json]        r
    """)
    computed = {"faults": _faults}

    def key_of(self, row: ChainReport) -> int:
        """The environment's number; 0 is the installation's chain of log-ins, accounts and settings."""
        return row.chain

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[ChainReport]:  # noqa: ARG002 - the base's signature
        """The chains that the caller may verify."""
        return unverified_reports(_visible_chains(caller))

    def find(self, caller: ApiCaller, key: int | str | None) -> ChainReport | None:
        """One chain, verified now."""
        return verify(key) if isinstance(key, int) and key in chain_numbers(_visible_chains(caller)) else None


def _visible_chains(caller: ApiCaller) -> set[int]:
    site = {0} if caller.actor.is_admin and caller.environment is None else set()
    return {*caller.environments("own"), *site}
