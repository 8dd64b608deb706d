"""The types of a balancer's settings: `loadBalancerConfig`, its parts, and what they are read into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data
from apps.api.wire.roles import TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.stacks.balancer.listeners import parse_listeners
from apps.stacks.balancer.settings import BalancerSettings

_ROLES = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu"})


class HaproxyConfigResource(EmbeddedResource):
    """Custom lines for two sections of a balancer's haproxy.cfg."""

    name = "haproxyConfig"
    roles = _ROLES
    own_fields = parse_fields("""
        defaults string cu 0..65536
        global   string cu 0..65536
    """)


class LoadBalancerCookieStickinessPolicyResource(EmbeddedResource):
    """Sessions stick to a server by a cookie of the balancer's."""

    name = "loadBalancerCookieStickinessPolicy"
    plural = "loadBalancerCookieStickinessPolicys"
    roles = _ROLES
    own_fields = parse_fields("""
        cookie   string  cu
        domain   string  cu
        indirect boolean cu ?
        mode     enum    cu :rewrite|insert|prefix
        name     string  cu
        nocache  boolean cu ?
        postonly boolean cu ?
    """)


class LoadBalancerAppCookieStickinessPolicyResource(EmbeddedResource):
    """Sessions stick to a server by a cookie of the application's."""

    name = "loadBalancerAppCookieStickinessPolicy"
    plural = "loadBalancerAppCookieStickinessPolicys"
    roles = _ROLES
    own_fields = parse_fields("""
        cookie       string  cu *
        maxLength    int     cu * ?
        mode         enum    cu :path_parameters|query_string
        name         string  cu
        prefix       boolean cu ?
        requestLearn boolean cu ?
        timeout      int     cu * ?
    """)


class LoadBalancerConfigResource(EmbeddedResource):
    """How a balancer works, apart from its listeners and targets."""

    name = "loadBalancerConfig"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu", "delete": "d"})
    own_fields = parse_fields("""
        appCookieStickinessPolicy loadBalancerAppCookieStickinessPolicy cu
        haproxyConfig             haproxyConfig                         cu
        lbCookieStickinessPolicy  loadBalancerCookieStickinessPolicy    cu
    """)


def read_settings(data: Data, current: BalancerSettings) -> BalancerSettings:
    """The settings of a balancer, of what was sent; what was not stays as it is. Raises `Invalid`."""
    found = current
    if "launchConfig" in data:
        found = with_listeners_of(found, data["launchConfig"] or {}, "launchConfig.")
    if "loadBalancerConfig" in data:
        found = found.with_config(data["loadBalancerConfig"])
    if "defaultCertificateId" in data:
        default = data["defaultCertificateId"]
        found = replace(found, default_certificate=_certificate(default, "defaultCertificateId") if default else None)
    if "certificateIds" in data:
        sent = data["certificateIds"] or ()
        numbers = dict.fromkeys(_certificate(each, "certificateIds") for each in sent)
        found = replace(found, certificates=tuple(numbers))
    return found


def _certificate(sent: Any, field: str) -> int:
    number = row_number(sent) if isinstance(sent, str) else None
    if number is None:
        raise Invalid(field, "InvalidReference", f"There is no certificate {str(sent)[:64]!r} here.")
    return number


def with_listeners_of(settings: BalancerSettings, sent: Mapping[str, Any], at: str) -> BalancerSettings:
    """The settings with the listeners that a launch configuration says by its ports. Raises `Invalid`."""
    labels = sent.get("labels")
    labels = labels if isinstance(labels, Mapping) else {}
    ports, expose = (_texts(sent.get(name), f"{at}{name}") for name in ("ports", "expose"))
    return replace(settings, listeners=parse_listeners(ports, expose, labels, at))


def _texts(sent: Any, field: str) -> list[Any]:
    if sent is None:
        return []
    if isinstance(sent, str):
        return [sent]
    if not isinstance(sent, list | tuple):
        raise Invalid(field, "PortWrongFormat", f"{field} is a list of texts such as 80:8080.")
    return list(sent)
