"""Balancers in compose files: ports, labels and `load_balancer_config` of the first form, `lb_config` of the second."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from apps.core.errors import Invalid
from apps.stacks.balancer.config import HTTP, PROTOCOLS, Listener
from apps.stacks.balancer.listeners import check_listeners, parse_listeners
from apps.stacks.balancer.rules import check_rules
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import EVERYTHING, TARGET_LABEL, TargetPort, parse_target_label, write_target_ports
from apps.stacks.compose.left_out import LeftOut, unknown_keys
from apps.stacks.compose.value_formats import as_list, as_texts
from apps.stacks.compose.yaml_loader import without_lines
from apps.stacks.link_names import free_name

V1, V2 = "load_balancer_config", "lb_config"
BALANCER_KEYS = (V1, V2, "default_cert", "certs")
POLICY_KEYS = {
    "lb_cookie_stickiness_policy": "lbCookieStickinessPolicy",
    "app_cookie_stickiness_policy": "appCookieStickinessPolicy",
}
_SPELLED = {"max_length": "maxLength", "request_learn": "requestLearn"}
_V1_KEYS = frozenset({"haproxy_config", "name", *POLICY_KEYS})
_V2_KEYS = frozenset({"port_rules", "certs", "default_cert", "stickiness_policy", "config"})
RULE_FIELDS = {"hostname": "host", "source_port": "source", "path": "path", "target_port": "port"}
_KEYS = {V1: _V1_KEYS, V2: _V2_KEYS}
_RULE_KEYS = frozenset({"source_port", "target_port", "path", "hostname", "protocol", "service", "priority"})
_SECTIONS = ("global", "defaults")
Links = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PortRule:
    """One of `port_rules`: what leads to a service, `service` or `stack/service`.

    One without a source port is for every listener, and has no protocol then: Rancher has no such rules, v1's links do.
    """

    target: str
    protocol: str
    rule: TargetPort


@dataclass(frozen=True, slots=True)
class BalancerPart:
    """What rancher-compose says of a balancer; certificates by their names."""

    settings: BalancerSettings = field(default_factory=BalancerSettings)
    default_certificate: str = ""
    certificates: tuple[str, ...] = ()
    rules: tuple[PortRule, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileBalancer:
    """A balancer as both files say it: its settings, its links, and their rules by alias."""

    settings: BalancerSettings
    links: Links
    external_links: Links
    rules: Mapping[str, Sequence[str]]


def read_part(name: str, given: Mapping[str, Any]) -> BalancerPart:
    """Read rancher-compose's keys. Raises `Invalid` on a field whose first segment is one of them."""
    first, second = (_map(given, key) for key in (V1, V2))
    names = {**{key: given.get(key) for key in ("default_cert", "certs")}, **second}
    wire: dict[str, Any] = {POLICY_KEYS[key]: _policy(first[key]) for key in POLICY_KEYS if first.get(key)}
    if second.get("stickiness_policy"):
        wire["lbCookieStickinessPolicy"] = _policy(second["stickiness_policy"])
    custom = {key: each for key, each in (first.get("haproxy_config") or {}).items() if each is not None}
    written, left_out = read_sections(str(second.get("config") or ""))
    wire["haproxyConfig"] = {**custom, **written}
    # With their lines, which the maps above have lost.
    unknown = [
        each for key, known in _KEYS.items() for each in unknown_keys(given.get(key) or {}, known, f"`{key}`", key)
    ]
    rules, more = _read_rules((given.get(V2) or {}).get("port_rules"))
    warnings = [f"{name}: {each.describe()}" for each in (*unknown, *map(LeftOut, left_out), *more)]
    return BalancerPart(
        _settings(wire),
        str(names.get("default_cert") or ""),
        tuple(map(str, as_list(names.get("certs") or []))),
        rules,
        tuple(warnings),
    )


def _map(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = given.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid(key, "InvalidFormat", f"{key} must be a map.")
    return dict(without_lines(value))


def _settings(wire: Mapping[str, Any]) -> BalancerSettings:
    try:
        return BalancerSettings().with_config(wire, at=f"{V1}.")
    except Invalid as problem:
        raise Invalid(V1, problem.code, problem.message) from None


def _policy(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid(V1, "InvalidFormat", "A stickiness policy is a map.")
    return {_SPELLED.get(str(key), str(key)): each for key, each in value.items()}


def read_sections(text: str) -> tuple[dict[str, str], list[str]]:
    """The lines of `global` and `defaults` of a haproxy.cfg, and the headings of what else is in it."""
    found, left_out, current = dict[str, list[str]](), list[str](), ""
    for line in text.splitlines():
        words = line.split()
        if words and not line[0].isspace():
            current = words[0]
            if current not in _SECTIONS:
                left_out.append(f"{V2}.config: {' '.join(words)[:60]}")
        elif current in _SECTIONS and words:
            found.setdefault(current, []).append(line.strip())
    return {name: "\n".join(lines) for name, lines in found.items()}, left_out


def _read_rules(value: Any) -> tuple[tuple[PortRule, ...], list[LeftOut]]:
    """The port rules, and what they say that is not carried over."""
    found, left_out = list[PortRule](), dict[str, LeftOut]()
    for number, each in enumerate(as_list(value or [])):
        if not isinstance(each, Mapping):
            raise Invalid(V2, "InvalidFormat", f"{V2}: port_rules[{number}] must be a map.")
        given = {key: one for key, one in each.items() if one not in (None, "")}
        unknown = unknown_keys(each, _RULE_KEYS, f"`{V2}.port_rules`", f"{V2}.port_rules", (None, ""))
        left_out = {one.path: one for one in unknown} | left_out
        if "priority" in given:
            left_out["priority"] = LeftOut(f"{V2}.port_rules.priority: the most exact rule wins here")
        found.append(_read_rule(given, number))
    return tuple(found), list(left_out.values())


def _read_rule(given: Mapping[str, Any], number: int) -> PortRule:
    at = f"{V2}: port_rules[{number}]"
    protocol = str(given.get("protocol", HTTP)).lower()
    if protocol not in PROTOCOLS:
        why = f"{at}: the protocol {protocol[:20]!r} is not supported; use {', '.join(PROTOCOLS)}."
        raise Invalid(V2, "InvalidOption", why)
    if "service" not in given or ("source_port" not in given and "protocol" in given):
        why = f"{at} needs its `service` and `source_port`; write a selector as the label of the service."
        raise Invalid(V2, "MissingRequired", why)
    host, path = str(given.get("hostname", "")), str(given.get("path", ""))
    port = f"={given['target_port']}" if "target_port" in given else ""
    source = str(given.get("source_port", ""))
    source = f":{source}" if source and host else source
    try:
        rule = TargetPort.parse(f"{host}{source}{path}{port}" or EVERYTHING, at)
    except Invalid as problem:
        raise Invalid(V2, problem.code, problem.message) from None
    return PortRule(str(given["service"]), protocol, rule)


def read_balancer(
    part: BalancerPart, body: Mapping[str, Any], labels: Mapping[str, str], links: Links, external: Links
) -> FileBalancer:
    """Read both files together. Raises `Invalid` on `ports`, `expose` or `labels`."""
    ports, expose = (as_texts(body.get(key) or []) for key in ("ports", "expose"))
    listeners = _with_protocols(parse_listeners(ports, expose, labels), part.rules)
    settings = replace(part.settings, listeners=listeners)
    aliases = {alias for _target, alias in (*links, *external)}
    rules = {alias: [*_of_labels(labels, target, alias, aliases)] for target, alias in (*links, *external)}
    for each in part.rules:
        alias = next((alias for target, alias in (*links, *external) if target == each.target), None)
        if alias is None:
            stack, _slash, service = each.target.rpartition("/")
            taken = [name for _target, name in (*links, *external)]
            alias = free_name(service, stack, taken) if stack else service
            links, external = _linked(each.target, alias, links, external)
        rules.setdefault(alias, []).append(each.rule)
    for found in rules.values():
        check_rules(settings, found, "labels")
    written = {alias: tuple(write_target_ports(dict.fromkeys(found))) for alias, found in rules.items() if found}
    return FileBalancer(settings, links, external, written)


def _linked(target: str, alias: str, links: Links, external: Links) -> tuple[Links, Links]:
    """The links with one to a service that a rule names; those of other stacks are written `stack/service`."""
    one = (target, alias)
    return (links, (*external, one)) if "/" in target else ((*links, one), external)


def _with_protocols(listeners: Iterable[Listener], rules: Iterable[PortRule]) -> tuple[Listener, ...]:
    """The listeners as rules say them; one that no port publishes is internal."""
    found = {each.port: each for each in listeners}
    said: dict[int, str] = {}
    for each in rules:
        if each.rule.source is None:
            continue
        port = each.rule.source
        if said.setdefault(port, each.protocol) != each.protocol:
            raise Invalid("ports", "InvalidOption", f"Rules of port {port} name two protocols; a port has one.")
        known = found.get(port, Listener(port, is_public=False, target_port=port))
        found[port] = replace(known, protocol=each.protocol)
    return check_listeners(found.values())


def _of_labels(labels: Mapping[str, str], target: str, alias: str, aliases: Collection[str]) -> tuple[TargetPort, ...]:
    """What the label of a link says, or that of its target, unless another link has that name: then it is of that."""
    names = (alias,) if target in aliases else (alias, target)
    text = next((labels[f"{TARGET_LABEL}{each}"] for each in names if f"{TARGET_LABEL}{each}" in labels), "")
    return parse_target_label(text, "labels")
