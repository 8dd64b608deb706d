"""`stack`, which is `environment` in v1, and what its upgrade takes."""

from __future__ import annotations

from apps.api.resources.stack_upgrades import EnvironmentUpgradeResource
from apps.api.resources.stacks import StackResource
from apps.api.v2beta.derive import later_actions, later_fields, later_links
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.fields import parse_fields
from apps.core.ids import wire_id


class V2StackUpgradeResource(EnvironmentUpgradeResource):
    """What a stack is to become."""

    name = "stackUpgrade"
    dialect = V2_BETA
    stands_for = "environmentUpgrade"


class V2StackResource(StackResource):
    """A stack, with the ids of its services."""

    name = "stack"
    dialect = V2_BETA
    stands_for = "environment"
    id_letters = "st"
    own_fields = later_fields(
        StackResource.own_fields,
        parse_fields("""
            group      string                    r
            serviceIds array[reference[service]] r
            system     boolean                   r =false ~
        """),
    )
    computed = {
        **StackResource.computed,
        "serviceIds": lambda context: [wire_id("s", each.pk) for each in context.extra["services"]],
    }
    custom_actions = later_actions(StackResource.custom_actions)
    links = later_links(StackResource.links)
