"""`auditLog`: who did what."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, QueryDict, StreamingHttpResponse

from apps.api.wire import query
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import wire_name, wire_name_column, wire_type, wire_type_column
from apps.api.wire.resource import (
    Link,
    Resource,
    RowContext,
    id_prefix_of,
    register,
)
from apps.control.audit.export import CONTENT_TYPES, export_lines
from apps.control.audit.vocabulary import V1_FORMAT
from apps.control.models import AuditEntry
from apps.control.selectors import visible_audit_entries
from apps.core.errors import Forbidden, Invalid
from apps.core.ids import wire_id
from apps.core.streams import streaming_download


def _request_text(context: RowContext) -> str | None:
    found = _wire_request(context.row)
    return json.dumps(found) if found else None


def _response_text(context: RowContext) -> str | None:
    return json.dumps(context.row.response) if context.row.response else None


def _target_id(context: RowContext) -> str | None:
    kind, key = wire_type(context.row.kind), context.row.target
    return wire_id(id_prefix_of(kind), key) if kind and key is not None else None


def _wire_request(row: AuditEntry) -> dict[str, Any]:
    """What was requested; a cancellation's names the operation that it cancelled."""
    request: dict[str, Any] = row.request
    is_cancellation = row.event in {"operation.cancel", f"{row.kind}.cancel"}
    if is_cancellation and "name" in request and row.format != V1_FORMAT:
        return {**request, "name": wire_name(request["name"])}
    return request


def _with_wire_names(row: AuditEntry) -> AuditEntry:
    """The entry, in memory, in v1's words."""
    row.request = _wire_request(row)
    row.kind, row.event = wire_type(row.kind), wire_name(row.event)
    return row


@register
class AuditLogResource(Resource):
    """One line of the audit log, secrets blanked; `?export=csv` or `jsonl` is a file, for owners and administrators."""

    name = "auditLog"
    model = AuditEntry
    own_fields = parse_fields("""
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
        resourceType              string              r <wire_kind
        responseCode              string              r <code
        responseObject            string              r
        via                       string              r <via
    """)
    computed = {
        "requestObject": _request_text,
        "responseObject": _response_text,
        "resourceId": _target_id,
    }
    links = {"account": Link("project", attribute="environment_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """The lines of the environment the caller is in; everything, log-ins included, for an administrator in none."""
        if caller.environment is None and caller.actor.is_admin:
            found: Any = visible_audit_entries(caller.actor)
        else:
            found = AuditEntry.objects.within(caller.environments())
        return found.annotate(wire_event=wire_name_column("event", prefix="api."), wire_kind=wire_type_column("kind"))

    def download(
        self, caller: ApiCaller, request: HttpRequest, query_params: QueryDict
    ) -> StreamingHttpResponse | None:
        """The lines that the filters leave, as a file."""
        kind = query_params.get("export")
        if kind is None:
            return None
        if kind not in CONTENT_TYPES:
            raise Invalid("export", "InvalidOption", f"export must be one of: {', '.join(CONTENT_TYPES)}.")
        if not set(caller.environments()) <= set(caller.environments("own")):
            raise Forbidden("Only owners and administrators may take the audit log away.")
        rows, _filters = query.apply_filters(self, self.rows(caller), query_params)
        lines = export_lines(rows, kind, _with_wire_names)
        return streaming_download(request, f"audit.{kind}", CONTENT_TYPES[kind], lines)
