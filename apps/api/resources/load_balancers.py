"""`loadBalancerService`: services that spread requests over others by host and path, and their links with rules."""

from __future__ import annotations

from typing import Any

from apps.api.resources.balancer_traffic import balancer_traffic
from apps.api.resources.services import ServiceResource, resolve_link
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Action, Data, Link
from apps.api.wire.roles import READ_ONLY, USER_INPUT
from apps.core.ids import wire_id
from apps.stacks.balancer.links import names_of_links
from apps.stacks.balancer.targets import TargetPort, parse_target_ports
from apps.stacks.models import Service
from apps.stacks.services import link_add, link_remove, links_set

_LINK = "loadBalancerServiceLink"
_INPUT = "addRemoveLoadBalancerServiceLinkInput"


class LoadBalancerServiceLinkResource(EmbeddedResource):
    """A target of a balancer, and the rules by which requests are sent to it."""

    name = _LINK
    base_type = "serviceLink"
    roles = USER_INPUT
    own_fields = parse_fields("""
        name      string             c
        ports     array[string]      c
        serviceId reference[service] c *
        uuid      string             r
    """)


class AddRemoveLoadBalancerServiceLinkInputResource(EmbeddedResource):
    """The target that `addservicelink` or `removeservicelink` of a balancer is about."""

    name = _INPUT
    roles = READ_ONLY
    own_fields = parse_fields(f"serviceLink {_LINK} c *")


class SetLoadBalancerServiceLinksInputResource(EmbeddedResource):
    """The targets that replace a balancer's."""

    name = "setLoadBalancerServiceLinksInput"
    roles = READ_ONLY
    own_fields = parse_fields(f"serviceLinks array[{_LINK}] c")


def _rules(link: Any, field: str) -> tuple[TargetPort, ...] | None:
    """The rules of a link that was sent; None where it says nothing of them."""
    sent = link.get("ports") if isinstance(link, dict) else None
    return None if sent is None else parse_target_ports(sent, field)


def _set_links(caller: ApiCaller, row: Service, data: Data) -> None:
    sent = list(data.get("serviceLinks") or ())
    found = names_of_links([resolve_link(caller, link, _LINK) for link in sent])
    rules = {
        name: each
        for (_target, name), link in zip(found, sent, strict=True)
        if (each := _rules(link, "serviceLinks.ports")) is not None
    }
    links_set(row, found, actor=caller.actor, rules=rules)


def _add_link(caller: ApiCaller, row: Service, data: Data) -> None:
    target, name = resolve_link(caller, data["serviceLink"], _LINK)
    link_add(row, target, name, actor=caller.actor, rules=_rules(data["serviceLink"], "serviceLink.ports"))


def _remove_link(caller: ApiCaller, row: Service, data: Data) -> None:
    target, name = resolve_link(caller, data["serviceLink"], _LINK)
    link_remove(row, target, name, actor=caller.actor)


class LoadBalancerServiceResource(ServiceResource):
    """Spreads the requests to its ports over the services that it links to."""

    name = "loadBalancerService"
    base_type = "service"
    own_fields = parse_fields("""
        name                   string                        cu <name * 1..63
        assignServiceIpAddress boolean                       c  =false ~
        certificateIds         array[reference[certificate]] cu ?
        currentScale           int                           r  ~
        defaultCertificateId   reference[certificate]        cu ?
        environmentId          reference[environment]        c  <stack_id *
        externalId             string                        c  <external_id 0..255
        fqdn                   string                        r
        healthState            string                        r
        kind                   string                        r  <kind
        launchConfig           launchConfig                  c
        loadBalancerConfig     loadBalancerConfig            cu ?
        lock                   lock                          r
        lostHostPolicy         enum                          cu :wait|reschedule
        lostHostSeconds        int                           cu <lost_after 10..86400
        metadata               map[json]                     cu
        publicEndpoints        array[publicEndpoint]         r
        retainIp               boolean                       cu
        scale                  int                           cu <scale =1 ~
        scalePolicy            scalePolicy                   cu <scale_policy ?
        selectorLink           string                        cu <selector_link
        startOnCreate          boolean                       c  <start_on_create =false
        upgrade                serviceUpgrade                r
        upgradeVerdict         upgradeVerdict                cu <verdict_settings
        vip                    string                        c
    """)
    computed = {
        **ServiceResource.computed,
        "certificateIds": lambda context: [_certificate_id(each) for each in _settings(context).certificates],
        "defaultCertificateId": lambda context: _certificate_id(_settings(context).default_certificate),
        "loadBalancerConfig": lambda context: {
            "type": "loadBalancerConfig",
            **_settings(context).config_to_wire(),
        },
    }
    custom_actions = {
        **ServiceResource.custom_actions,
        "setservicelinks": Action(
            _set_links,
            "setLoadBalancerServiceLinksInput",
            states=ServiceResource.custom_actions["setservicelinks"].states,
            is_change=True,
        ),
        "addservicelink": Action(
            _add_link, _INPUT, states=ServiceResource.custom_actions["addservicelink"].states, is_change=True
        ),
        "removeservicelink": Action(
            _remove_link, _INPUT, states=ServiceResource.custom_actions["removeservicelink"].states, is_change=True
        ),
    }

    links = {**ServiceResource.links, "traffic": Link(call=balancer_traffic)}

    def rows(self, caller: ApiCaller) -> Any:
        """Those of this kind."""
        return super().rows(caller).filter(kind=self.name)


def _settings(context: Any) -> Any:
    return context.row.balancer_settings


def _certificate_id(number: int | None) -> str | None:
    return wire_id("c", number) if number is not None else None
