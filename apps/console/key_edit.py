"""The form that changes a key: its name, a later or earlier end, other addresses, a narrower role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from apps.accounts.models import ApiKey
from apps.console.door import Visit
from apps.console.key_form import SPANS, read
from apps.core.errors import Invalid
from apps.environments.models import Role
from apps.environments.selectors import role_choices
from apps.environments.services import key_change

KEEP = "keep"


def edit(visit: Visit, row: ApiKey) -> HttpResponse:
    """Show the form, or change the key."""
    sent = visit.request.POST
    if visit.request.method != "POST":
        return _ask(visit, row, {"name": row.name, "description": row.description, "expires": KEEP}, {})
    try:
        key_change(row, actor=visit.actor, **_read(sent))
        return visit.done(_("Saved."))
    except Invalid as problem:
        return _ask(visit, row, sent.dict(), {str(problem.field): problem.message})


def _read(sent: QueryDict) -> dict[str, Any]:
    """What the form says; an end that is kept is not said at all."""
    if sent.get("expires", KEEP) != KEEP:
        return read(sent)
    plain = sent.copy()
    plain["expires"] = ""
    return {name: value for name, value in read(plain).items() if name != "expires"}


def _ask(visit: Visit, row: ApiKey, values: dict[str, Any], errors: Mapping[str, str]) -> HttpResponse:
    scope = getattr(row, "scope", None)
    role = scope.role if scope else row.role
    within = Role.permissions_of(role) if role else None
    context = {
        "row": row,
        "role": role,
        "roles": [each for each in role_choices(within) if each.name != role],
        "values": {"addresses": " ".join(row.addresses), **values},
        "errors": errors,
        "spans": [each for each in SPANS.items() if each[0] or row.expires],
        "keep": KEEP,
    }
    return visit.show("console/key_edit.html", context, status=422 if errors else 200)
