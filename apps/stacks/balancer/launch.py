"""What a balancer's containers are made from: its launch configuration with the ports of its listeners. Pure.

People and v1 say `80:8080`, a listener and the port of targets; to an engine that is the port 80 of the container,
published as it is. Target ports may change therefore without new containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import HealthCheck, Port
from apps.core.errors import Invalid
from apps.stacks.balancer.config import HEALTH_PORT
from apps.stacks.balancer.listeners import with_listener_labels, write_listener
from apps.stacks.balancer.settings import BalancerSettings

IMAGE_SETTING = "lb.haproxy.image"
BALANCER_IMAGES = ("rancher/load-balancer-service", "rancher/lb-service-haproxy")
_FOLDERS = (PurePosixPath("/etc/haproxy"), PurePosixPath("/run/haproxy"))  # see render.py
_REFUSED = {
    "command": "its program is a part of the image",
    "entryPoint": "its program is a part of the image",
    "networkLaunchConfig": "it has a network of its own",
    "dataVolumesFromLaunchConfigs": "it has no sidekicks",
}


def config_of_balancer(data: Mapping[str, Any], at: str = "launchConfig.") -> LaunchConfig:
    """The launch configuration that a client sent, its ports aside: those are listeners. Raises `Invalid`."""
    sent = {**data, "ports": [], "expose": [], "imageUuid": data.get("imageUuid") or f"docker:{BALANCER_IMAGES[0]}"}
    found = LaunchConfig.from_wire(sent, at=at, image_required=False)
    wire = found.to_wire()
    for name, why in _REFUSED.items():
        if wire.get(name):
            raise Invalid(f"{at}{name}", "InvalidOption", f"{name} cannot be set for a balancer: {why}.")
    if found.network_mode != "managed":
        why = (
            f"A balancer is in the managed network, where its targets are; leave networkMode {found.network_mode} out."
        )
        raise Invalid(f"{at}networkMode", "InvalidOption", why)
    return found


def check_image(config: LaunchConfig, known: tuple[str, ...], at: str = "launchConfig.") -> None:
    """Raise `Invalid` for an image that is not a balancer's: it would be given the keys of certificates."""
    name = config.image.partition("@")[0]
    if name in known or name.partition(":")[0] in BALANCER_IMAGES:
        return
    why = f"{config.image[:60]} is no balancer's image; leave it out. An administrator names it in {IMAGE_SETTING}."
    raise Invalid(f"{at}imageUuid", "InvalidOption", why)


def check_mounts(config: LaunchConfig, at: str = "launchConfig.") -> None:
    """Raise `Invalid` for a volume where its keys are written: other containers could mount that one too."""
    for each in config.data_volumes:
        path = PurePosixPath(each.path)
        if any(folder.is_relative_to(path) or path.is_relative_to(folder) for folder in _FOLDERS):
            why = f"{each.path} of a balancer is its own: the keys of its certificates lie there. Mount another folder."
            raise Invalid(f"{at}dataVolumes", "InvalidOption", why)


def with_listeners(config: LaunchConfig, settings: BalancerSettings, image: str = "") -> LaunchConfig:
    """The configuration that containers are made from; `image` takes the place of whatever was sent."""
    listeners = settings.listeners
    return replace(
        config,
        image_uuid=f"docker:{image}" if image else config.image_uuid,
        ports=tuple(Port(each.port, "tcp", each.port, each.address) for each in listeners if each.is_public),
        expose=tuple(Port(each.port) for each in listeners if not each.is_public),
        health_check=config.health_check or HealthCheck(port=HEALTH_PORT),
    )


def shown_listeners(wire: Mapping[str, Any], settings: BalancerSettings) -> dict[str, Any]:
    """A launch configuration in v1's words, with `ports`, `expose` and labels that say what the listeners are."""
    found = {
        "ports": [write_listener(each) for each in settings.listeners if each.is_public],
        "expose": [write_listener(each) for each in settings.listeners if not each.is_public],
        "labels": with_listener_labels(wire.get("labels") or {}, settings.listeners),
    }
    kept = {name: value for name, value in wire.items() if name not in found}
    return {**kept, **{name: value for name, value in found.items() if value}}
