"""The warning of forms that something has a port which is to be published: nothing is made until it is accepted."""

from __future__ import annotations

from django.http import QueryDict

from apps.core.errors import Invalid, Problem

FIELD = "awaitPorts"


def require_free_ports(sent: QueryDict, shortage: str) -> None:
    """Raise `Invalid` with what is short, unless that was read and accepted; call it before anything is committed."""
    if shortage and not sent.get(FIELD):
        raise Invalid(FIELD, "InvalidPort", shortage)


def port_errors(problem: Problem) -> dict[str, str]:
    """The warning as the form's error, if the problem is one."""
    return {FIELD: problem.message} if problem.field == FIELD else {}
