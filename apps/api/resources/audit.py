"""`auditLog`: who did what."""

from __future__ import annotations

import json
from typing import Any

from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Link, Resource, Seen, register, root_letters
from apps.control.models import AuditEntry
from apps.control.selectors import audit_everywhere
from apps.core.ids import wire_id


def _json(name: str) -> Any:
    def text(seen: Seen) -> str | None:
        found = getattr(seen.row, name)
        return json.dumps(found) if found else None

    return text


def _target(seen: Seen) -> str | None:
    kind, key = seen.row.kind, seen.row.target
    return wire_id(root_letters(kind), key) if kind and key is not None else None


@register
class AuditLog(Resource):
    """One line of the audit log, secrets blanked."""

    name = "auditLog"
    model = AuditEntry
    own = table("""
        accountId                 reference[account]  r <environment_id
        authType                  enum                r <auth_type
        authenticatedAsAccountId  reference[account]  r <account_id
        authenticatedAsIdentityId reference[identity] r
        clientIp                  string              r <address
        created                   date                r <at
        description               string              r <target_name
        eventType                 string              r <event
        kind                      string              r
        requestObject             string              r
        resourceId                string              r
        resourceType              string              r <kind
        responseCode              string              r <code
        responseObject            string              r
    """)
    computed = {
        "eventType": lambda seen: f"api.{seen.row.event}",
        "requestObject": _json("request"),
        "responseObject": _json("response"),
        "resourceId": _target,
    }
    links = {"account": Link("project", attribute="environment_id")}

    def rows(self, caller: Caller) -> Any:
        """The lines of the environment the caller is in; everything, log-ins included, for an administrator in none."""
        if caller.environment is None and caller.actor.is_admin:
            return audit_everywhere(caller.actor)
        return AuditEntry.objects.within(caller.environments())
