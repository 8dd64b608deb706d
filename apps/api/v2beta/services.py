"""`service` and its kinds but balancers: their stack is `stackId`, and their containers and links are fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from apps.api.resources import launch, service_upgrades
from apps.api.resources.service_kinds import DnsServiceResource, ExternalServiceResource
from apps.api.resources.services import ServiceResource
from apps.api.v2beta.derive import later_actions, later_fields, later_links
from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.fields import Field, parse_fields
from apps.api.wire.resource import Action, Data, RowContext
from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.stacks.models import Service
from apps.stacks.service_options import NO_IMAGE

_MORE_FIELDS = parse_fields("""
    instanceIds    array[reference[container]] r
    linkedServices map[reference[service]]     r
    system         boolean                     r =false ~
""")

MORE_COMPUTED: Mapping[str, Callable[[RowContext], Any]] = {
    "instanceIds": lambda context: [wire_id("i", each.pk) for each in context.extra["view"].members],
    "linkedServices": lambda context: (
        {each.name: wire_id("s", each.target_id) for each in context.extra["view"].links} or None
    ),
}


def service_fields(
    fields: Iterable[Field], more: Iterable[Field] = (), *, without: frozenset[str] = frozenset()
) -> Any:
    """The fields of a kind of service in v2-beta."""
    return later_fields(fields, (*_MORE_FIELDS, *more), without=without, environmentId="stackId")


class LaterService(ServiceResource):
    """What the kinds have in common; no type itself."""

    dialect = V2_BETA

    def create(self, caller: ApiCaller, data: Data) -> Service:
        """Create a service in a stack."""
        given = {**data, "environmentId": data["stackId"]}
        try:
            return super().create(caller, given)
        except Invalid as problem:
            if problem.field == "environmentId":
                problem.field = "stackId"
            raise


def _upgrade(caller: ApiCaller, row: Service, data: Data) -> None:
    """As on v1, and with sidekicks that come or go: one that is new, or has the image `rancher/none`."""
    strategy = data.get("inServiceStrategy")
    sent = strategy.get("secondaryLaunchConfigs") if isinstance(strategy, Mapping) else None
    if isinstance(sent, list) and all(isinstance(each, Mapping) for each in sent):
        gone = {each.get("name") for each in sent if _is_taken_away(each)}
        changed = {each.get("name"): each for each in sent if not _is_taken_away(each)}
        known = launch.serialize_sidekicks(row.name, row.sidekicks, values=True)
        names = {each["name"] for each in known}
        if gone or changed.keys() - names:
            kept = [changed.pop(each["name"], each) for each in known if each["name"] not in gone]
            whole = {"secondaryLaunchConfigs": [*kept, *changed.values()], "replaceSidekicks": True}
            data = {**data, "inServiceStrategy": {**(strategy or {}), **whole}}
    service_upgrades.upgrade(caller, row, data)


def _is_taken_away(sent: Mapping[str, Any]) -> bool:
    return str(sent.get("imageUuid") or "").removeprefix("docker:") == NO_IMAGE


class V2ServiceResource(LaterService):
    """Containers of one launch configuration."""

    name = "service"
    own_fields = service_fields(ServiceResource.own_fields)
    computed = {**ServiceResource.computed, **MORE_COMPUTED}
    custom_actions = {
        **later_actions(ServiceResource.custom_actions),
        "upgrade": Action(_upgrade, "serviceUpgrade"),
    }
    links = later_links(ServiceResource.links, environment="stack")


class V2ExternalServiceResource(LaterService, ExternalServiceResource):
    """A name inside the environment for addresses or a hostname outside it."""

    name = "externalService"
    own_fields = service_fields(ExternalServiceResource.own_fields)
    computed = {**ExternalServiceResource.computed, **MORE_COMPUTED}
    custom_actions = later_actions(ExternalServiceResource.custom_actions)
    links = later_links(ExternalServiceResource.links, environment="stack")


class V2DnsServiceResource(LaterService, DnsServiceResource):
    """Another name for the services that it links to."""

    name = "dnsService"
    own_fields = service_fields(DnsServiceResource.own_fields)
    computed = {**DnsServiceResource.computed, **MORE_COMPUTED}
    custom_actions = later_actions(DnsServiceResource.custom_actions)
    links = later_links(DnsServiceResource.links, environment="stack")
