"""`host`, whose containers and address are fields in v2-beta."""

from __future__ import annotations

from apps.api.resources.hosts import HostResource
from apps.api.v2beta.derive import later_actions, later_fields, later_links
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.fields import parse_fields
from apps.core.ids import wire_id


class V2HostResource(HostResource):
    """A machine with an engine."""

    name = "host"
    dialect = V2_BETA
    own_fields = later_fields(
        HostResource.own_fields,
        parse_fields("""
            agentIpAddress string                      r <address
            instanceIds    array[reference[container]] r
        """),
    )
    computed = {
        **HostResource.computed,
        "instanceIds": lambda context: [wire_id("i", each.pk) for each in context.extra or ()],
    }
    custom_actions = later_actions(HostResource.custom_actions)
    links = later_links(HostResource.links)
