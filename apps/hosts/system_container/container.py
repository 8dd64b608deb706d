"""What the system container is: its name, its labels and the body that it is created with; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apps.drivers.base import EngineContainer

NAME = "corral-system"
SYSTEM_LABEL = "io.corral.system"
HOST_LABEL, PORTAL_LABEL, SPEC_LABEL = "io.corral.host", "io.corral.portal", "io.corral.spec"
_KIND = "agent"
READER_KIND, READER_PREFIX = "volume-reader", "corral-reader-"
_ENGINE_SOCKET = "/var/run/docker.sock"
_ENGINE_FOLDER = "/run/engine"
_STATE = "/var/lib/rancher/corral"
_MEMORY = 192 * 1024 * 1024
_MAX_PROCESSES = 256
# The network's devices and filters; frames and pings of its own; ports below 1024; the node for wireguard-go.
_CAPABILITIES = ["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "MKNOD"]
_TUN_DEVICE = "c 10:200 rwm"


def create_body(*, image: str, host: str, portal_key: str, url: str) -> dict[str, Any]:
    """The engine's create body, for a host's uuid and the URL of its engine."""
    folder, _, socket = socket_path(url).rpartition("/")
    body = {
        "Image": image,
        "Cmd": ["--system"],
        "Env": [
            f"CORRAL_PORTAL_KEY={portal_key}",
            f"CORRAL_STATE={_STATE}",
            f"DOCKER_SOCKET={_ENGINE_FOLDER}/{socket}",
        ],
        "Labels": {SYSTEM_LABEL: _KIND, HOST_LABEL: host, PORTAL_LABEL: portal_print(portal_key)},
        "HostConfig": {
            "NetworkMode": "host",
            "UsernsMode": "host",
            "RestartPolicy": {"Name": "always"},
            # The folder, and not the socket in it: an engine that starts again makes its socket anew.
            "Binds": [f"{folder or '/'}:{_ENGINE_FOLDER}:ro"],
            "CapDrop": ["ALL"],
            "CapAdd": _CAPABILITIES,
            "DeviceCgroupRules": [_TUN_DEVICE],
            "SecurityOpt": ["no-new-privileges"],
            "Memory": _MEMORY,
            "PidsLimit": _MAX_PROCESSES,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
        },
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    return {**body, "Labels": {**body["Labels"], SPEC_LABEL: digest}}  # type: ignore[dict-item]  # the body's labels


def socket_path(url: str) -> str:
    """Where the engine's socket is on its own machine: as its URL says, or where engines have it by default."""
    parts = urlsplit(url)
    return parts.path if parts.scheme in {"unix", "ssh"} and parts.path.strip("/") else _ENGINE_SOCKET


def portal_print(portal_key: str) -> str:
    """What tells this installation's containers from another one's on the same engine."""
    return hashlib.sha256(portal_key.encode()).hexdigest()[:16]


def is_system_container(seen: EngineContainer) -> bool:
    """Whether it is a system container, of whichever portal."""
    return seen.name.lstrip("/") == NAME and seen.labels.get(SYSTEM_LABEL) == _KIND


def is_volume_reader(name: str, labels: Mapping[str, str]) -> bool:
    """Whether it is a container through which the portal reads a volume: never started, and soon removed."""
    return name.startswith(READER_PREFIX) and labels.get(SYSTEM_LABEL) == READER_KIND


def is_as_wanted(seen: EngineContainer, body: Mapping[str, Any]) -> bool:
    """Whether it was created with this very body."""
    return is_system_container(seen) and seen.labels.get(SPEC_LABEL) == body["Labels"][SPEC_LABEL]
