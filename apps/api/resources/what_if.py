"""`whatIf` (not in Rancher's v1): what the scheduler would do, asked by links of services and hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import wire_type
from apps.api.wire.roles import READ_ONLY
from apps.core.ids import wire_id
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.what_if import (
    Move,
    WhatIf,
    changed_labels,
    parse_label_names,
    parse_labels,
    what_if_host_lost,
    what_if_labeled,
    what_if_scaled,
)


class WhatIfResource(EmbeddedResource):
    """Where containers would go, and why."""

    name = "whatIf"
    roles = READ_ONLY
    own_fields = parse_fields("""
        note         string r
        placed       json   r
        question     string r
        removed      json   r
        resourceId   string r
        resourceType string r
        stays        json   r
    """)


def service_what_if(caller: ApiCaller, row: Service, query_params: QueryDict) -> dict[str, Any]:
    """The `call` of a service's link: `scale` is the scale to try, else the service's own."""
    text = query_params.get("scale", "") or str(row.scale)
    digits = text.isascii() and text.removeprefix("-").isdigit() and len(text) < 9
    outcome = what_if_scaled(row, int(text) if digits else text)
    return _describe(caller, row, "services", "s", outcome)


def host_what_if(caller: ApiCaller, row: Host, query_params: QueryDict) -> dict[str, Any]:
    """The `call` of a host's link: its loss, or labels to try with `addLabels=a=b,c=d` and `removeLabels=e`."""
    add = parse_labels("addLabels", query_params.get("addLabels", ""))
    remove = parse_label_names(query_params.get("removeLabels", ""))
    if not add and not remove:
        return _describe(caller, row, "hosts", "h", what_if_host_lost(row))
    return _describe(caller, row, "hosts", "h", what_if_labeled(row, changed_labels(row, add, remove)))


def _describe(caller: ApiCaller, row: Service | Host, plural: str, prefix: str, outcome: WhatIf) -> dict[str, Any]:
    key = wire_id(prefix, row.pk)
    return {
        "type": "whatIf",
        "links": {"self": caller.url(plural, key, "whatif")},
        "actions": {},
        "resourceType": wire_type(row.KIND),
        "resourceId": key,
        "question": outcome.kind,
        "note": outcome.note or None,
        "placed": _moves(outcome.placed),
        "removed": _moves(outcome.removed),
        "stays": _moves(outcome.stays),
    }


def _moves(moves: Sequence[Move]) -> list[dict[str, Any]]:
    return [
        {
            "container": move.container,
            "from": move.origin or None,
            "to": move.target or None,
            "reasons": list(move.reasons),
        }
        for move in moves
    ]
