"""`container` and `instance`, which say in v2-beta which services and stack they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.api.resources.client_types import InstanceResource
from apps.api.resources.containers import ContainerResource
from apps.api.v2beta.derive import later_actions, later_fields, later_links
from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import RowContext
from apps.core.ids import wire_id
from apps.stacks.models import ServiceMember

_MORE_FIELDS = parse_fields("""
    serviceId  reference[service]        r
    serviceIds array[reference[service]] r
    stackId    reference[stack]          r
    system     boolean                   r =false ~
""")


def _first_of(letters: str, place: int) -> Callable[[RowContext], str | None]:
    """The id of the first service, or of its stack: the one that made the container, where one did."""
    return lambda context: wire_id(letters, context.extra["services"][0][place]) if context.extra["services"] else None


_MORE_COMPUTED: Mapping[str, Callable[[RowContext], Any]] = {
    "serviceId": _first_of("s", 0),
    "serviceIds": lambda context: [wire_id("s", service) for service, _stack in context.extra["services"]],
    "stackId": _first_of("st", 1),
}


class V2ContainerResource(ContainerResource):
    """One container."""

    name = "container"
    dialect = V2_BETA
    own_fields = later_fields(ContainerResource.own_fields, _MORE_FIELDS)
    computed = {**ContainerResource.computed, **_MORE_COMPUTED}
    custom_actions = later_actions(ContainerResource.custom_actions)
    links = later_links(ContainerResource.links)

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """The same, and the services that each is in."""
        found = super().load_extras(caller, rows)
        services: dict[int, list[tuple[int, int]]] = {row.pk: [] for row in rows}
        members = ServiceMember.objects.filter(container__in=list(services), service__removed=None)
        for member in members.order_by("-managed", "pk").values_list("container", "service", "service__stack"):
            services[member[0]].append(member[1:])
        return {key: {**extra, "services": services[key]} for key, extra in found.items()}


class V2InstanceResource(V2ContainerResource, InstanceResource):
    """What containers are a kind of: the same rows, read-only."""

    name = "instance"
    roles = InstanceResource.roles
