"""`removalPreview` (not in Rancher's v1): what hangs on something that is about to be deleted, asked by its link."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import wire_name, wire_type
from apps.api.wire.resource import find_resource
from apps.api.wire.roles import READ_ONLY
from apps.core.ids import wire_id
from apps.core.models import Managed
from apps.stacks.models import Service
from apps.stacks.removal_preview import RemovalPreview, removal_preview, scale_down_preview

MAX_NAMES = 500


class RemovalPreviewResource(EmbeddedResource):
    """What is deleted together with something, or loses something by it."""

    name = "removalPreview"
    roles = READ_ONLY
    own_fields = parse_fields("""
        aliases       json    r
        balancers     json    r
        containers    json    r
        counts        json    r
        hosts         json    r
        kept          json    r
        links         json    r
        logStreams    int     r
        mustTypeName  boolean r
        operations    json    r
        ports         json    r
        resourceId    string  r
        resourceType  string  r
        runs          json    r
        selectors     json    r
        services      json    r
        shells        int     r
        sidekicks     json    r
        stacks        json    r
        upgrades      json    r
        volumes       json    r
        webhooks      json    r
    """)


def preview_link(caller: ApiCaller, row: Managed) -> dict[str, Any]:
    """The `call` of the link: what deleting the row takes along."""
    return _describe(caller, row, removal_preview(row))


def preview_service_link(caller: ApiCaller, row: Service, query_params: QueryDict) -> dict[str, Any]:
    """The same of a service, or with `scale` what a smaller scale takes along."""
    text = query_params.get("scale", "")
    if not text:
        return preview_link(caller, row)
    is_number = text.isascii() and text.removeprefix("-").isdigit() and len(text) < 9
    return _describe(caller, row, scale_down_preview(row, int(text) if is_number else text))


def _describe(caller: ApiCaller, row: Managed, found: RemovalPreview) -> dict[str, Any]:
    """The preview as v1 shows it: long lists are cut, `counts` says how many there are."""
    resource = find_resource(wire_type(row.KIND))
    prefix, plural = (resource.id_prefix, resource.plural_name) if resource else ("", "")
    lists: dict[str, list[Any]] = {
        "aliases": [asdict(each) for each in found.aliases],
        "balancers": list(found.balancers),
        "containers": list(found.containers),
        "hosts": list(found.hosts),
        "kept": list(found.kept),
        "links": [asdict(each) for each in found.links],
        "operations": [
            {"id": wire_id("pi", each.key), "name": wire_name(each.name), "target": each.target}
            for each in found.operations
        ],
        "ports": [asdict(each) for each in found.ports],
        "runs": list(found.runs),
        "selectors": list(found.selectors),
        "services": [{"name": name, "containers": count} for name, count in found.services],
        "sidekicks": list(found.sidekicks),
        "stacks": list(found.stacks),
        "upgrades": list(found.upgrades),
        "webhooks": list(found.webhooks),
        "volumes": [
            {"name": each.name, "host": each.host, "kept": each.is_kept, "size": each.size} for each in found.volumes
        ],
    }
    return {
        "type": "removalPreview",
        "links": {"self": caller.url(plural, wire_id(prefix, row.pk), "removalpreview")},
        "actions": {},
        "resourceType": wire_type(row.KIND),
        "resourceId": wire_id(prefix, row.pk),
        "mustTypeName": found.must_type_name,
        "shells": found.shells,
        "logStreams": found.log_streams,
        "counts": {name: len(values) for name, values in lists.items()},
        **{name: values[:MAX_NAMES] for name, values in lists.items()},
    }
