"""`loadBalancerService`: what it does is one `lbConfig` in v2-beta, where v1 has several fields and the links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api.resources import service_upgrades
from apps.api.resources.load_balancers import LoadBalancerServiceResource
from apps.api.resources.services import resolve_link
from apps.api.v2beta.derive import later_actions, later_links
from apps.api.v2beta.lb_config import AT, LbConfig, first_form_ports, read_lb_config, write_lb_config
from apps.api.v2beta.services import MORE_COMPUTED, LaterService, service_fields
from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import V2_BETA
from apps.api.wire.dispatch import in_one_transaction
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import validate_body
from apps.api.wire.resource import Action, Data, RowContext
from apps.api.wire.roles import TypeRoles
from apps.core.errors import Invalid
from apps.stacks.balancer.links import names_of_links
from apps.stacks.models import Service
from apps.stacks.services import links_set

_ROLES = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu"})


class LbConfigResource(EmbeddedResource):
    """What a balancer does: rules, certificates, stickiness, and lines for haproxy.cfg."""

    name = "lbConfig"
    dialect = V2_BETA
    roles = _ROLES
    own_fields = parse_fields("""
        certificateIds       array[reference[certificate]]      cu
        config               string                             cu 0..131072
        defaultCertificateId reference[certificate]             cu
        portRules            array[portRule]                    cu
        stickinessPolicy     loadBalancerCookieStickinessPolicy cu
    """)


class PortRuleResource(EmbeddedResource):
    """Which requests a service gets; `backendName` and `priority` are accepted and change nothing."""

    name = "portRule"
    dialect = V2_BETA
    roles = _ROLES
    own_fields = parse_fields("""
        backendName string             cu
        hostname    string             cu
        path        string             cu
        priority    int                cu
        protocol    enum               cu =http :http|https|tcp|tls
        selector    string             cu
        serviceId   reference[service] cu *
        sourcePort  int                cu * 1..65535
        targetPort  int                cu 1..65535
    """)


def _checked(sent: Any) -> Data:
    """A `lbConfig` whose values are of the types that its schema says. Raises `Invalid`."""
    try:
        return validate_body(LbConfigResource.own_fields, sent, "c")
    except Invalid as problem:
        problem.field = f"{AT}.{problem.field}"
        raise


def _in_v1_words(data: Data, sent: Data, found: LbConfig) -> Data:
    """The fields of a balancer in v1 that say the same as its `lbConfig`."""
    more: Data = {name: sent[name] for name in ("certificateIds", "defaultCertificateId") if name in sent}
    rest = {name: value for name, value in data.items() if name != "lbConfig"}
    return {**rest, **more, "loadBalancerConfig": dict(found.first)}


def _set_targets(caller: ApiCaller, row: Service, found: LbConfig) -> None:
    if found.rules is None:
        return
    targets = []
    for key in found.rules:
        try:
            targets.append(resolve_link(caller, {"serviceId": key}))
        except Invalid as problem:
            problem.field = f"{AT}.portRules.serviceId"
            raise
    named = names_of_links([(target, "") for target, _name in targets])
    rules = {name: tuple(found.rules[key]) for (_target, name), key in zip(named, found.rules, strict=True)}
    links_set(row, named, actor=caller.actor, rules=rules)


def _upgrade(caller: ApiCaller, row: Service, data: Data) -> None:
    """As on v1, where the ports of a launch configuration say the protocols of listeners too."""
    strategy = data.get("inServiceStrategy")
    launch = strategy.get("launchConfig") if isinstance(strategy, Mapping) else None
    if isinstance(launch, Mapping):
        launch = first_form_ports(launch, LbConfig(), row.balancer_settings.listeners)
        data = {**data, "inServiceStrategy": {**(strategy or {}), "launchConfig": launch}}
    service_upgrades.upgrade(caller, row, data)


def _keep_targets(caller: ApiCaller, row: Service, data: Data) -> None:  # noqa: ARG001 - the signature of actions
    """Nothing: a balancer's targets are those of its rules, and the clients send the links of its file here."""
    for link in data.get("serviceLinks") or ():
        resolve_link(caller, link)


def _launch_config(context: RowContext) -> Any:
    """The ports as v2-beta says them: with a transport, whatever the protocol."""
    shown = context.extra["config"]
    ports = [f"{each.partition('/')[0]}/tcp" for each in shown.get("ports") or ()]
    return {**shown, "ports": ports, "expose": []} if shown else shown


class V2LoadBalancerServiceResource(LaterService, LoadBalancerServiceResource):
    """Spreads the requests to its ports over the services that its rules name."""

    name = "loadBalancerService"
    own_fields = service_fields(
        LoadBalancerServiceResource.own_fields,
        parse_fields("lbConfig lbConfig cu"),
        without=frozenset({"loadBalancerConfig", "certificateIds", "defaultCertificateId"}),
    )
    computed = {
        **LoadBalancerServiceResource.computed,
        **MORE_COMPUTED,
        "launchConfig": _launch_config,
        "lbConfig": lambda context: write_lb_config(context.row.balancer_settings, context.extra["view"].links),
    }
    custom_actions = {
        **later_actions(LoadBalancerServiceResource.custom_actions),
        "setservicelinks": Action(
            _keep_targets,
            "setServiceLinksInput",
            states=LoadBalancerServiceResource.custom_actions["setservicelinks"].states,
        ),
        "upgrade": Action(_upgrade, "serviceUpgrade"),
    }
    links = later_links(LoadBalancerServiceResource.links, environment="stack")

    def create(self, caller: ApiCaller, data: Data) -> Service:
        """Create a balancer with the targets of its rules: both or neither."""
        sent = _checked(data.get("lbConfig"))
        found = read_lb_config(sent)
        launch = first_form_ports(data.get("launchConfig") or {}, found)
        given = {**_in_v1_words(data, sent, found), "launchConfig": launch}

        def make() -> Service:
            made = super(V2LoadBalancerServiceResource, self).create(caller, given)
            _set_targets(caller, made, found)
            return made

        made: Service = in_one_transaction(make)
        return made

    def update(self, caller: ApiCaller, row: Service, data: Data) -> None:
        """Change it, and its targets; the protocols of its listeners change with an upgrade."""
        if data.get("lbConfig") is None:
            super().update(caller, row, {name: value for name, value in data.items() if name != "lbConfig"})
            return
        sent = _checked(data["lbConfig"])
        found = read_lb_config(sent)
        _check_protocols(row, found)

        def change() -> None:
            super(V2LoadBalancerServiceResource, self).update(caller, row, _in_v1_words(data, sent, found))
            _set_targets(caller, row, found)

        in_one_transaction(change)


def _check_protocols(row: Service, found: LbConfig) -> None:
    """Refuse a listener's change, which the containers of a balancer have to be replaced for."""
    known = {each.port: each.protocol for each in row.balancer_settings.listeners}
    for port, protocol in found.protocols.items():
        if known.get(port) != protocol:
            now = f"it is {known[port]}" if port in known else "there is no such listener"
            why = f"Port {port} cannot become {protocol} by an update ({now}): upgrade the balancer with other ports."
            raise Invalid(f"{AT}.portRules", "InvalidOption", why)
