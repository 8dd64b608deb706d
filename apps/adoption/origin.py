"""What labels say about where a container comes from: a compose project, a Rancher stack, or nowhere. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from apps.stacks.adopted import NUMBER_LABEL, ONE_OFF_LABEL

Kind = Literal["compose", "rancher", "container"]

COMPOSE = "com.docker.compose."
PROJECT_LABEL, SERVICE_LABEL = f"{COMPOSE}project", f"{COMPOSE}service"
VERSION_LABEL = f"{COMPOSE}version"
# Of one container alone: those made later have their own, or none.
_OF_ONE_CONTAINER = {NUMBER_LABEL, ONE_OFF_LABEL, f"{COMPOSE}replace", f"{COMPOSE}image", f"{COMPOSE}slug"}

_STACK_LABELS = ("io.rancher.stack.name", "io.rancher.project.name")
_STACK_SERVICE_LABELS = ("io.rancher.stack_service.name", "io.rancher.project_service.name")
_LAUNCH_LABEL = "io.rancher.service.launch.config"
_PRIMARY = "io.rancher.service.primary.launch.config"
# What a platform notes on its containers, and nobody asked for.
_NOTES = (
    COMPOSE,
    "io.rancher.container.uuid",
    "io.rancher.container.name",
    "io.rancher.container.ip",
    "io.rancher.container.mac_address",
    "io.rancher.cni.",
    "io.rancher.stack",
    "io.rancher.project",
    "io.rancher.service.deployment.unit",
    "io.rancher.service.launch.config",
    "io.rancher.service.hash",
    "io.rancher.environment.uuid",
    "io.corral.container.",
    "io.corral.service.",
)
# Those that say which stack, service and unit a container is of.
_RANCHER_NOTES = (
    "io.rancher.container.name",
    "io.rancher.container.uuid",
    "io.rancher.project",
    "io.rancher.service.deployment.unit",
    _LAUNCH_LABEL,
    "io.rancher.stack",
)
UNIT_LABEL = "io.rancher.service.deployment.unit"
_NAME_NUMBER = re.compile(r"[-_](\d{1,6})(?:[-_][0-9a-f]{8})?\Z")


@dataclass(frozen=True, slots=True)
class Origin:
    """Which service of which project a container is, and which one of it (0: not said).

    `is_one_off` when it was started beside the service, as `docker-compose run` does. `launch_name` is the sidekick of
    a Rancher service that it is; empty for the service's own containers.
    """

    kind: Kind
    project: str
    service: str
    number: int = 0
    is_one_off: bool = False
    launch_name: str = ""

    @property
    def primary_service(self) -> str:
        """The service whose unit it is in: its own, for all but sidekicks."""
        return self.service.removesuffix(f"-{self.launch_name}") if self.launch_name else self.service


def origin_of(name: str, labels: Mapping[str, str]) -> Origin:
    """The origin of the container called `name` with these labels; one without any is a project of its own."""
    project, service = labels.get(PROJECT_LABEL, ""), labels.get(SERVICE_LABEL, "")
    if project and service:
        one_off = labels.get(ONE_OFF_LABEL, "").strip().lower() == "true"
        return Origin("compose", project, service, _number(labels.get(NUMBER_LABEL, "")), is_one_off=one_off)
    stack = _first(labels, _STACK_LABELS)
    # `stack/service`, and of a sidekick also `stack/service/sidekick`, by the version of the server.
    service = next(iter(_first(labels, _STACK_SERVICE_LABELS).split("/")[1:2]), "")
    if stack and service:
        launch = labels.get(_LAUNCH_LABEL, _PRIMARY)
        found = _NAME_NUMBER.search(labels.get("io.rancher.container.name", "") or name)
        return Origin(
            "rancher",
            stack,
            service if launch in {"", _PRIMARY} else f"{service}-{launch}",
            _number(found[1] if found else ""),
            launch_name="" if launch in {"", _PRIMARY} else launch,
        )
    return Origin("container", name, name, 1)


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


def project_labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of a compose project that all containers of a service have."""
    return {name: value for name, value in labels.items() if name.startswith(COMPOSE) and name not in _OF_ONE_CONTAINER}


def compose_labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """All labels by which compose knows a container."""
    return {name: value for name, value in labels.items() if name.startswith(COMPOSE)}


def rancher_labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels by which a Rancher container is found again: of which service it is, and which one of it."""
    return {name: value for name, value in labels.items() if name.startswith(_RANCHER_NOTES)}


def without_notes(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that somebody asked for: without what a platform notes on its containers."""
    return {name: value for name, value in labels.items() if not name.startswith(_NOTES)}


def uses_dashes(labels: Mapping[str, str], names: Mapping[str, Origin]) -> bool:
    """Whether the project's tool joins the parts of names with `-`, as the second generation of compose does.

    `names` are its containers' origins by their names on the engine; where none tells, the version does.
    """
    for name, origin in names.items():
        for separator in "-_":
            if name == f"{origin.project}{separator}{origin.service}{separator}{origin.number}":
                return separator == "-"
    return labels.get(VERSION_LABEL, "").startswith("2")


def plain_name(text: str, fallback: str = "adopted") -> str:
    """The name as stacks and services may have it: letters, digits and '-' inside, 63 characters at most."""
    found = re.sub(r"[^a-zA-Z0-9-]+", "-", text).strip("-")[:63].strip("-")
    return found or fallback
