"""Writes balancers into compose files, which read back as the same balancers. Pure.

The first form says rules by labels of their targets and the rest by `load_balancer_config`; the second, Rancher 1.6's,
has both in `lb_config`, as far as that can say them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from apps.stacks.balancer.config import CustomText
from apps.stacks.balancer.launch import BALANCER_IMAGES, shown_listeners
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TARGET_LABEL, TargetPort
from apps.stacks.compose.balancers import POLICY_KEYS, RULE_FIELDS, V1, V2, read_sections
from apps.stacks.compose.model import ComposeService
from apps.stacks.service_options import BALANCER, KIND_IMAGES

_SPELLED = {"maxLength": "max_length", "requestLearn": "request_learn"}
_SECOND_IMAGE = BALANCER_IMAGES[1]


def docker_part(service: ComposeService, written: Mapping[str, Any], *, first_form: bool) -> dict[str, Any]:
    """A service's part of docker-compose, its ports and labels those of a balancer if it is one."""
    settings = service.options.balancer
    if settings is None:
        return dict(written)
    labels = {name: text for name, text in written.get("labels", {}).items() if not name.startswith(TARGET_LABEL)}
    elsewhere = set() if first_form else set(_rules_of_links(service))
    found = {alias: ",".join(rules) for alias, rules in service.rules.items() if rules and alias not in elsewhere}
    labels |= {f"{TARGET_LABEL}{alias}": text for alias, text in found.items()}
    image = KIND_IMAGES[BALANCER] if first_form else _SECOND_IMAGE
    shown = {**shown_listeners({**written, "labels": labels}, settings), "image": image}
    if "labels" in shown:  # those of rules are no labels once they are read, so what is written again has another order
        shown["labels"] = dict(sorted(shown["labels"].items()))
    return shown


def rancher_part(service: ComposeService, *, first_form: bool) -> dict[str, Any]:
    """What rancher-compose says of a balancer; nothing for other services."""
    settings = service.options.balancer
    if settings is None:
        return {}
    certificates = {
        "default_cert": service.default_certificate or None,
        "certs": list(service.certificates) or None,
    }
    if first_form:
        return {V1: _first_config(settings), **certificates}
    rules = [
        {**_rule(text, settings), "service": target}
        for alias, target in _rules_of_links(service).items()
        for text in service.rules[alias]
    ]
    policy = settings.config_to_wire()[POLICY_KEYS["lb_cookie_stickiness_policy"]]
    text = _whole_text(settings.custom)
    found = {
        "port_rules": rules or None,
        **certificates,
        "stickiness_policy": _policy(policy) if policy else None,
        "config": text or None,
    }
    rest = _first_config(settings)
    rest.pop("lb_cookie_stickiness_policy", None)
    if text:
        rest.pop("haproxy_config", None)
    return {V2: {key: each for key, each in found.items() if each is not None}, **({V1: rest} if rest else {})}


def _first_config(settings: BalancerSettings) -> dict[str, Any]:
    wire = settings.config_to_wire()
    found = {key: _policy(wire[name]) for key, name in POLICY_KEYS.items() if wire[name]}
    custom = {name: text for name, text in (wire["haproxyConfig"] or {}).items() if text}
    return {**({"haproxy_config": custom} if custom else {}), **found}


def _rules_of_links(service: ComposeService) -> dict[str, str]:
    """The targets by alias whose rules `port_rules` can say: it knows services, and no aliases of two links to one."""
    links = (*service.links, *service.external_links)
    times = Counter(target for target, _alias in links)
    return {alias: target for target, alias in links if times[target] == 1 and service.rules.get(alias)}


def _rule(text: str, settings: BalancerSettings) -> dict[str, Any]:
    rule = TargetPort.parse(text)
    protocol = next((each.protocol for each in settings.listeners if each.port == rule.source), None)
    found = {key: getattr(rule, name) for key, name in RULE_FIELDS.items()}
    return {key: each for key, each in {"protocol": protocol, **found}.items() if each not in {None, ""}}


def _whole_text(custom: CustomText) -> str:
    """The custom lines as one haproxy.cfg; empty where it would not read back as the same lines."""
    sections = {"global": custom.global_lines, "defaults": custom.defaults_lines}
    wanted = {name: lines for name, lines in sections.items() if lines}
    parts = (f"{name}\n" + "\n".join(f"  {line}" for line in lines.split("\n")) for name, lines in wanted.items())
    text = "\n".join(parts)
    return text if read_sections(text) == (wanted, []) else ""


def _policy(wire: Mapping[str, Any]) -> dict[str, Any]:
    return {_SPELLED.get(name, name): value for name, value in wire.items() if value is not None}
