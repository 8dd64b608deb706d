"""`lbConfig` and v1's words for the same: ports of a launch configuration, `loadBalancerConfig`, rules of links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.stacks.balancer.config import HTTP, PROTOCOLS, CustomText, Listener
from apps.stacks.balancer.listeners import PROXY_LABEL
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.compose.balancers import read_sections

AT = "lbConfig"
_RULES = f"{AT}.portRules"
MAX_RULES = 1000
# How Rancher's clients say that a listener's clients speak HAProxy's own words first.
_ACCEPT_PROXY = re.compile(r"^frontend[ \t]+([0-9]{1,5})[ \t]*\n[ \t]+accept-proxy[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LbConfig:
    """What was sent: rules by the id of their target, protocols by port, `loadBalancerConfig`, the proxied ports.

    `rules` is None where there was no word of them.
    """

    rules: Mapping[str, Sequence[TargetPort]] | None = None
    protocols: Mapping[int, str] = field(default_factory=dict)
    first: Mapping[str, Any] = field(default_factory=dict)
    proxied: tuple[int, ...] = ()


def read_lb_config(sent: Mapping[str, Any]) -> LbConfig:
    """Read it. Raises `Invalid` on a field below `lbConfig`."""
    text = str(sent.get("config") or "").replace("\r\n", "\n")
    proxied = tuple(int(found[1]) for found in _ACCEPT_PROXY.finditer(text))
    sections, left_out = read_sections(_ACCEPT_PROXY.sub("", text))
    if left_out:
        why = f"{AT}.config: only lines below `global` and `defaults` can be added, not {left_out[0].split(': ')[-1]}."
        raise Invalid(f"{AT}.config", "InvalidOption", why)
    policy = sent.get("stickinessPolicy")
    first = {"lbCookieStickinessPolicy": policy or None, "haproxyConfig": sections or None}
    given = sent.get("portRules")
    rules, protocols = _read_rules(given) if given is not None else (None, {})
    return LbConfig(rules, protocols, first, proxied)


def _read_rules(given: Any) -> tuple[dict[str, list[TargetPort]], dict[int, str]]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > MAX_RULES:
        raise Invalid(_RULES, "InvalidFormat", f"{_RULES} is a list of at most {MAX_RULES} rules.")
    rules: dict[str, list[TargetPort]] = {}
    protocols: dict[int, str] = {}
    for number, each in enumerate(given):
        at = f"{_RULES}[{number}]"
        if not isinstance(each, Mapping):
            raise Invalid(at, "InvalidFormat", f"{at} must be an object.")
        target, rule, protocol = _read_rule(each, at)
        port = rule.source or 0
        if protocols.setdefault(port, protocol) != protocol:
            raise Invalid(at, "InvalidOption", f"{at}: rules of port {port} name two protocols; a port has one.")
        rules.setdefault(target, []).append(rule)
    return rules, protocols


def _read_rule(each: Mapping[str, Any], at: str) -> tuple[str, TargetPort, str]:
    protocol = str(each.get("protocol") or HTTP).lower()
    if protocol not in PROTOCOLS:
        why = f"{at}: the protocol {protocol[:20]!r} is not supported; use {', '.join(PROTOCOLS)}."
        raise Invalid(f"{at}.protocol", "InvalidOption", why)
    target = each.get("serviceId")
    if not isinstance(target, str) or not target:
        why = f"{at} needs its serviceId; services of a selector are found by the balancer's selectorLink."
        raise Invalid(f"{at}.serviceId", "MissingRequired", why)
    source, port = (_port(each.get(name), f"{at}.{name}") for name in ("sourcePort", "targetPort"))
    if source is None:
        raise Invalid(f"{at}.sourcePort", "MissingRequired", f"{at} needs its sourcePort.")
    host, path = str(each.get("hostname") or ""), str(each.get("path") or "")
    # Rules of links are one text, in which these would begin its next part.
    for name, text, wrong in (("hostname", host, re.search("[:/=]", host)), ("path", path, not _is_path(path))):
        if text and wrong:
            why = f"{at}: {text[:60]!r} is no {name} such as {'/shop' if name == 'path' else 'shop.example.com'}."
            raise Invalid(f"{at}.{name}", "InvalidFormat", why)
    address = f"{host}:{source}" if host else str(source)
    return target, TargetPort.parse(f"{address}{path}" + (f"={port}" if port else ""), at), protocol


def _is_path(text: str) -> bool:
    return text.startswith("/") and "=" not in text


def _port(value: Any, at: str) -> int | None:
    if value in (None, 0):
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise Invalid(at, "InvalidPort", f"{at} is a port from 1 to 65535.")
    return value


def first_form_ports(launch: Mapping[str, Any], found: LbConfig, known: Iterable[Listener] = ()) -> dict[str, Any]:
    """A launch configuration whose `ports` and `expose` say the protocols as v1 has them, behind a slash.

    v2-beta says `80:80/tcp` there of every port, and the protocol by its rules; `known` are the listeners so far.
    """
    if not isinstance(launch.get("ports") or [], list) or not isinstance(launch.get("labels") or {}, Mapping):
        return dict(launch)  # refused by who reads it
    before = {each.port: each for each in known}
    ports = [_with_protocol(str(each), found, before) for each in launch.get("ports") or ()]
    published = {source_port(each) for each in ports}
    internal = [port for port in found.protocols if port not in published]
    if found.rules is None:
        internal = [each.port for each in before.values() if not each.is_public and each.port not in published]
    expose = [_with_protocol(str(port), found, before) for port in internal]
    labels = dict(launch.get("labels") or {})
    if found.proxied:
        labels[PROXY_LABEL] = ",".join(map(str, found.proxied))
    return {**launch, "ports": ports, "expose": expose, "labels": labels}


def source_port(text: str) -> int | None:
    """The listener's port in `[ip:]source[:target][/protocol]`."""
    numbers = text.partition("/")[0].rsplit(":", 2)
    word = numbers[-2] if len(numbers) > 1 else numbers[0]
    return int(word) if word.isascii() and word.isdigit() else None


def _with_protocol(text: str, found: LbConfig, before: Mapping[int, Listener]) -> str:
    numbers, port = text.partition("/")[0], source_port(text) or 0
    protocol = found.protocols.get(port) or (before[port].protocol if port in before else HTTP)
    return f"{numbers}/{protocol}"


def write_lb_config(settings: BalancerSettings, links: Iterable[Any]) -> dict[str, Any]:
    """A balancer's settings and the rules of its links as `lbConfig`."""
    rules = [
        {
            "type": "portRule",
            "sourcePort": listener.port,
            "protocol": listener.protocol,
            "hostname": rule.host or None,
            "path": rule.path or None,
            "targetPort": rule.port or listener.target_port or listener.port,
            "serviceId": wire_id("s", link.target_id),
        }
        for link in links
        for rule in (map(TargetPort.parse, link.ports) if link.ports else (TargetPort(),))
        for listener in settings.listeners
        if rule.source in {None, listener.port}
    ]
    policy = settings.config_to_wire()["lbCookieStickinessPolicy"]
    default = settings.default_certificate
    return {
        "type": "lbConfig",
        "certificateIds": [wire_id("c", each) for each in settings.certificates],
        "config": _text(settings.custom, settings.listeners) or None,
        "defaultCertificateId": wire_id("c", default) if default is not None else None,
        "portRules": [{**rule, "priority": number} for number, rule in enumerate(rules, 1)],
        "stickinessPolicy": {"type": "loadBalancerCookieStickinessPolicy", **policy} if policy else None,
    }


def _text(custom: CustomText, listeners: Iterable[Listener]) -> str:
    parts = {"global": custom.global_lines, "defaults": custom.defaults_lines}
    parts |= {f"frontend {each.port}": "accept-proxy" for each in listeners if each.proxy_protocol}
    return "\n".join("\n    ".join((heading, *lines.splitlines())) for heading, lines in parts.items() if lines)
