"""What a pair of compose files says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.stacks.service_options import DEFAULT_OPTIONS, ServiceOptions


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service; `links` and `external_links` are (target, alias), `sidekicks` (name, configuration).

    `warnings` say what was not carried over. Where no scale is written down it is one, and `has_scale` is false;
    `upgrade_strategy` is how rancher-compose wants upgrades of it to go on, with v1's names. `rules` are those of a
    balancer's targets, by the aliases of its links; it names its certificates. `networks` are those that are there
    already and that it is in: `name`, and the `aliases` that it has there.
    """

    name: str
    config: LaunchConfig
    scale: int = 1
    links: tuple[tuple[str, str], ...] = ()
    external_links: tuple[tuple[str, str], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    options: ServiceOptions = DEFAULT_OPTIONS
    warnings: tuple[str, ...] = ()
    sidekicks: tuple[tuple[str, LaunchConfig], ...] = ()
    scale_policy: Mapping[str, Any] = field(default_factory=dict)
    has_scale: bool = field(default=True, compare=False)
    upgrade_strategy: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    default_certificate: str = ""
    certificates: tuple[str, ...] = ()
    networks: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ComposeStack:
    """The services in the order of the file; `warnings` are about the file as a whole.

    `undeclared_volumes` are names that its services mount and its top level does not have.
    """

    services: tuple[ComposeService, ...]
    warnings: tuple[str, ...] = ()
    undeclared_volumes: tuple[str, ...] = field(default=(), compare=False)
