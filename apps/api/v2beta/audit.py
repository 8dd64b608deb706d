"""`auditLog`, in whose entries a stack is a `stack` in v2-beta."""

from __future__ import annotations

from apps.api.resources.audit import AuditLogResource, computed_in
from apps.api.v2beta.derive import later_fields, later_links
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.kinds import LATER_TYPES


class V2AuditLogResource(AuditLogResource):
    """One audit entry, secrets redacted."""

    name = "auditLog"
    dialect = V2_BETA
    own_fields = later_fields(AuditLogResource.own_fields)
    computed = computed_in(LATER_TYPES, {"stack": "st"})
    types = LATER_TYPES
    links = later_links(AuditLogResource.links)
