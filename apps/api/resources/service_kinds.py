"""The services without containers, `externalService` and `dnsService`, and what services are reached at."""

from __future__ import annotations

from typing import Any

from apps.api.resources.services import ServiceResource
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Link, Resource
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.stacks.models import ServiceMember
from apps.stacks.selectors import service_members

_COMMON = """
    name            string                 cu <name * 1..63
    environmentId   reference[environment] c  <stack_id *
    externalId      string                 c  <external_id 0..255
    fqdn            string                 r
    healthState     string                 r
    kind            string                 r  <kind
    launchConfig    launchConfig           c
    lock            lock                   r
    metadata        map[json]              cu
    startOnCreate   boolean                c  <start_on_create =false
    upgrade         serviceUpgrade         r
"""


class ExternalServiceResource(ServiceResource):
    """A name inside the environment for addresses or a hostname outside it."""

    name = "externalService"
    base_type = "service"
    own_fields = parse_fields(f"""
        {_COMMON}
        externalIpAddresses array[string]       cu
        healthCheck         instanceHealthCheck c
        hostname            string              cu
    """)
    computed = {
        **ServiceResource.computed,
        "externalIpAddresses": lambda context: list(context.row.options.external.addresses) or None,
        "healthCheck": lambda context: _serialize_check(context.row.options.external.health_check),
        "hostname": lambda context: context.row.options.external.hostname or None,
    }
    custom_actions = {
        name: ServiceResource.custom_actions[name] for name in ("lock", "restore", "undo", "unlock", "upgrade")
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those of this kind."""
        return super().rows(caller).filter(kind=self.name)


class DnsServiceResource(ServiceResource):
    """Another name for the services that it links to."""

    name = "dnsService"
    base_type = "service"
    own_fields = parse_fields(f"""
        {_COMMON}
        assignServiceIpAddress boolean c  =false ~
        retainIp               boolean cu
        selectorLink           string  cu <selector_link
    """)

    def rows(self, caller: ApiCaller) -> Any:
        """Those of this kind."""
        return super().rows(caller).filter(kind=self.name)


def _serialize_check(check: Any) -> Any:
    return {"type": "instanceHealthCheck", **check} if check else None


class ServiceExposeMapResource(Resource):
    """What a service is reached at: a container, an address or a hostname."""

    name = "serviceExposeMap"
    model = ServiceMember
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId             reference[account]  r <service__environment_id
        created               date                r <created
        hostname              string              r <hostname
        instanceId            reference[instance] r <container_id
        ipAddress             string              r <address
        kind                  string              r
        managed               boolean             r <managed ~
        removed               date                r
        serviceId             reference[service]  r <service_id
        state                 enum                r ~
        transitioning         enum                r ~ :yes|no|error
        transitioningMessage  string              r
        transitioningProgress int                 r
    """)
    computed = ALWAYS_ACTIVE
    links = {
        "instance": Link("container", attribute="container_id"),
        "service": Link("service", attribute="service_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those of the services that the caller sees."""
        return service_members(caller.environments())


class ScalePolicyResource(EmbeddedResource):
    """Between how many containers a service has as many as fit."""

    name = "scalePolicy"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        increment int cu =1 1..1000
        max       int cu =1 1..1000
        min       int cu * 1..1000
    """)
