"""Writes balancers into compose files in the first form's words, which read back as the same balancers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.stacks.balancer.launch import shown_listeners
from apps.stacks.balancer.targets import TARGET_LABEL
from apps.stacks.compose.balancers import POLICY_KEYS, V1
from apps.stacks.compose.model import ComposeService
from apps.stacks.service_options import BALANCER, KIND_IMAGES

_SPELLED = {"maxLength": "max_length", "requestLearn": "request_learn"}


def docker_part(service: ComposeService, written: Mapping[str, Any]) -> dict[str, Any]:
    """A service's part of docker-compose, its ports and labels those of a balancer if it is one."""
    settings = service.options.balancer
    if settings is None:
        return dict(written)
    labels = {name: text for name, text in written.get("labels", {}).items() if not name.startswith(TARGET_LABEL)}
    labels |= {f"{TARGET_LABEL}{alias}": ",".join(rules) for alias, rules in service.rules.items() if rules}
    found = shown_listeners({**written, "labels": labels}, settings)
    return {**found, "image": KIND_IMAGES[BALANCER]}


def rancher_part(service: ComposeService) -> dict[str, Any]:
    """What rancher-compose says of a balancer; nothing for other services."""
    settings = service.options.balancer
    if settings is None:
        return {}
    wire = settings.config_to_wire()
    found = {key: _policy(wire[name]) for key, name in POLICY_KEYS.items() if wire[name]}
    custom = {name: text for name, text in (wire["haproxyConfig"] or {}).items() if text}
    return {
        V1: {**({"haproxy_config": custom} if custom else {}), **found},
        "default_cert": service.default_certificate or None,
        "certs": list(service.certificates) or None,
    }


def _policy(wire: Mapping[str, Any]) -> dict[str, Any]:
    return {_SPELLED.get(name, name): value for name, value in wire.items() if value is not None}
