"""`auditLog`: who did what."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import CharField, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, QueryDict, StreamingHttpResponse

from apps.api.wire import query
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Link, Resource, Seen, register, root_letters
from apps.control.export import KINDS, lines
from apps.control.models import AuditEntry
from apps.control.selectors import audit_everywhere
from apps.core.errors import Forbidden, Invalid
from apps.core.ids import wire_id
from apps.core.streams import download


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
    """One line of the audit log, secrets blanked; `?export=csv` or `jsonl` is a file, for owners and administrators."""

    name = "auditLog"
    model = AuditEntry
    own = table("""
        accountId                 reference[account]  r <environment_id
        authType                  enum                r <auth_type
        authenticatedAsAccountId  reference[account]  r <account_number
        authenticatedAsIdentityId reference[identity] r
        clientIp                  string              r <address
        created                   date                r <at
        description               string              r <target_name
        eventType                 string              r <wire_event
        kind                      string              r
        number                    int                 r <number
        requestObject             string              r
        resourceId                int                 r <target
        resourceType              string              r <kind
        responseCode              string              r <code
        responseObject            string              r
        via                       string              r <via
    """)
    computed = {
        "requestObject": _json("request"),
        "responseObject": _json("response"),
        "resourceId": _target,
    }
    links = {"account": Link("project", attribute="environment_id")}

    def rows(self, caller: Caller) -> Any:
        """The lines of the environment the caller is in; everything, log-ins included, for an administrator in none."""
        if caller.environment is None and caller.actor.is_admin:
            found: Any = audit_everywhere(caller.actor)
        else:
            found = AuditEntry.objects.within(caller.environments())
        return found.annotate(wire_event=Concat(Value("api."), "event", output_field=CharField()))

    def download(self, caller: Caller, request: HttpRequest, asked: QueryDict) -> StreamingHttpResponse | None:
        """The lines that the filters leave, as a file."""
        kind = asked.get("export")
        if kind is None:
            return None
        if kind not in KINDS:
            raise Invalid("export", "InvalidOption", f"export must be one of: {', '.join(KINDS)}.")
        if not set(caller.environments()) <= set(caller.environments("own")):
            raise Forbidden("Only owners and administrators may take the audit log away.")
        rows, _said = query.filtered(self, self.rows(caller), asked)
        return download(request, f"audit.{kind}", KINDS[kind], lines(rows, kind))
