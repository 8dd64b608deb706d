"""What a container is made from: the launch configuration, read from v1 JSON with every refusal named by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from apps.containers.launch.engine_checks import check_realtime
from apps.containers.launch.fields.declaration import LaunchField, launch_fields
from apps.containers.launch.fields.rights import RightsFields
from apps.containers.launch.memory import check_memory
from apps.containers.launch.values import Port, check_request, check_retry_count, published_twice
from apps.core.errors import Invalid

MAX_CONFIG_SIZE = 1024 * 1024
# Not `vcpu` and `memoryMb`: servers of v1 add them to every configuration, and clients send back what they read.
_OF_MACHINES = ("disks", "userdata")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchConfig(RightsFields):
    """How a container is to be run; the launch fields are in `fields`, section by section.

    References to other rows stay v1 ids here; services resolve them.
    """

    @classmethod
    def from_wire(cls, data: Any, at: str = "", *, image_required: bool = True) -> Self:
        """Check everything that a client sent; only balancers, aliases and external services need no image."""
        found = cls(**cls.read(data, at))
        build = data.get("build")
        if any(build.values()) if isinstance(build, Mapping) else build is not None:  # v1's clients send empty ones
            remedy = "Building is not supported: build the image elsewhere, push it and name it."
            raise Invalid(f"{at}build", "InvalidOption", remedy)
        machine = [name for name in _OF_MACHINES if data.get(name)]
        machine += ["kind"] if data.get("kind") == "virtualMachine" else []
        if machine:
            remedy = "Virtual machines are not supported, only containers; leave it out."
            raise Invalid(f"{at}{machine[0]}", "InvalidOption", remedy)
        if image_required and not found.image_uuid:
            raise Invalid(f"{at}imageUuid", "MissingRequired", "An image is required, as in docker:nginx.")
        if found.health_check:
            check_request(found.health_check, f"{at}healthCheck.")
        check_retry_count(found.restart_policy, f"{at}restartPolicy.")
        check_memory(found.memory, found.memory_swap, found.memory_reservation, at)
        check_realtime(found.cpu_realtime_runtime, found.cpu_realtime_period, at)
        if (twice := published_twice(found.ports)) is not None:
            remedy = f"Host port {twice} is published twice; publish it once, or leave one of them without a host port."
            raise Invalid(f"{at}ports", "NotUnique", remedy)
        if found.network_mode == "container" and not (found.network_container_id or found.network_launch_config):
            raise Invalid(f"{at}networkContainerId", "MissingRequired", "Say whose network the container is to share.")
        if len(json.dumps(found.to_json(), ensure_ascii=False).encode()) > MAX_CONFIG_SIZE:
            raise Invalid(at.rstrip(".") or "launchConfig", "MaxLimitExceeded", "The whole must not exceed 1 MB.")
        return found

    @property
    def image(self) -> str:
        """The image as engines name it, without its kind; empty when there is none."""
        return (self.image_uuid or "").partition(":")[2]

    @property
    def published(self) -> tuple[Port, ...]:
        """The ports that take effect: other network modes have none of their own."""
        return self.ports if self.network_mode in {"managed", "bridge"} else ()


LAUNCH_FIELDS: tuple[LaunchField, ...] = launch_fields(LaunchConfig)
