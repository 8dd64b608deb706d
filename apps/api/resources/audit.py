"""`auditLog`: the audit entries."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, QueryDict, StreamingHttpResponse

from apps.api.wire import query
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import WIRE_TYPES, wire_name, wire_name_column, wire_type, wire_type_column
from apps.api.wire.resource import (
    Link,
    Resource,
    RowContext,
    id_prefix_of,
)
from apps.api.wire.roles import READ_ONLY
from apps.control.audit.export import CONTENT_TYPES, export_lines
from apps.control.audit.vocabulary import V1_FORMAT
from apps.control.models import AuditEntry
from apps.control.selectors import visible_audit_entries
from apps.core.errors import Forbidden, Invalid
from apps.core.ids import wire_id
from apps.core.streams import streaming_download


def _response_text(context: RowContext) -> str | None:
    return json.dumps(context.row.response) if context.row.response else None


def computed_in(types: Mapping[str, str], letters: Mapping[str, str]) -> Mapping[str, Callable[[RowContext], Any]]:
    """The computed fields in the words of a dialect: its `types` of kinds, and the `letters` of ids that differ."""

    def request_text(context: RowContext) -> str | None:
        found = _wire_request(context.row, types)
        return json.dumps(found) if found else None

    def target_id(context: RowContext) -> str | None:
        kind, key = context.row.kind, context.row.target
        if not kind or key is None:
            return None
        return wire_id(letters.get(kind) or id_prefix_of(wire_type(kind)), key)

    return {"requestObject": request_text, "responseObject": _response_text, "resourceId": target_id}


def _wire_request(row: AuditEntry, types: Mapping[str, str]) -> dict[str, Any]:
    """What was requested; a cancellation's names the operation that it cancelled."""
    request: dict[str, Any] = row.request
    is_cancellation = row.event in {"operation.cancel", f"{row.kind}.cancel"}
    if is_cancellation and "name" in request and row.format != V1_FORMAT:
        return {**request, "name": wire_name(request["name"], types)}
    return request


class AuditLogResource(Resource):
    """One audit entry, secrets redacted; `?export=csv` or `jsonl` downloads a file, for owners and administrators."""

    name = "auditLog"
    model = AuditEntry
    roles = READ_ONLY
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
    computed = computed_in(WIRE_TYPES, {})
    types: ClassVar[Mapping[str, str]] = WIRE_TYPES
    links = {"account": Link("project", attribute="environment_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """The entries of the caller's environment; outside any, everything for administrators, log-ins included."""
        if caller.environment is None and caller.actor.is_admin:
            found: Any = visible_audit_entries(caller.actor)
        else:
            found = AuditEntry.objects.within(caller.environments())
        return found.annotate(
            wire_event=wire_name_column("event", prefix="api.", types=self.types),
            wire_kind=wire_type_column("kind", self.types),
        )

    def _with_wire_names(self, row: AuditEntry) -> AuditEntry:
        """The entry, in memory, in the words of the dialect."""
        row.request = _wire_request(row, self.types)
        row.kind, row.event = wire_type(row.kind, self.types), wire_name(row.event, self.types)
        return row

    def download(
        self, caller: ApiCaller, request: HttpRequest, query_params: QueryDict
    ) -> StreamingHttpResponse | None:
        """The entries that match the filters, as a file."""
        kind = query_params.get("export")
        if kind is None:
            return None
        if kind not in CONTENT_TYPES:
            raise Invalid("export", "InvalidOption", f"export must be one of: {', '.join(CONTENT_TYPES)}.")
        # Outside any environment an export covers all of the caller's, so every one of them must be owned.
        if not set(caller.environments()) <= set(caller.environments("own")):
            raise Forbidden("Only owners and administrators may export the audit log.")
        rows, _filters = query.apply_filters(self, self.rows(caller), query_params)
        lines = export_lines(rows, kind, self._with_wire_names)
        return streaming_download(request, f"audit.{kind}", CONTENT_TYPES[kind], lines)
