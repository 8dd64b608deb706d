"""Compose projects on the engine in memory, made as compose makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.drivers.base import CreateRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host


def compose_labels(project: str, service: str, number: int, *, version: str = "1.29.2") -> dict[str, str]:
    """The labels of either generation of compose."""
    found = {
        "com.docker.compose.project": project,
        "com.docker.compose.service": service,
        "com.docker.compose.container-number": str(number),
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.version": version,
        "com.docker.compose.config-hash": f"{service}-hash",
        "com.docker.compose.project.working_dir": f"/srv/{project}",
        "com.docker.compose.project.config_files": "docker-compose.yml",
    }
    return found | ({"com.docker.compose.image": "sha256:1"} if version.startswith("2") else {})


def make(
    sim: SimulatedDriver,
    project: str,
    service: str,
    number: int = 1,
    *,
    version: str = "1.29.2",
    start: bool = True,
    labels: Mapping[str, str] | None = None,
    endpoint: Mapping[str, Any] | None = None,
    **body: Any,
) -> str:
    """One container of a project in its default network; `HostConfig` of the body is merged with the network's."""
    network = f"{project}_default"
    sim.ensure_network(network, {"com.docker.compose.project": project})
    separator = "-" if version.startswith("2") else "_"
    host = {
        "NetworkMode": network,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        **body.pop("HostConfig", {}),
    }
    found = {
        "Image": "bb:local",
        "Labels": {**compose_labels(project, service, number, version=version), **(labels or {})},
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [service], **(endpoint or {})}}},
        **body,
    }
    made = sim.create(CreateRequest(f"{project}{separator}{service}{separator}{number}", found))
    if start:
        sim.start(made)
    return made


def make_shop(sim: SimulatedDriver, version: str = "1.29.2") -> dict[str, str]:
    """Four services: two webs behind a published port, a database with a volume, a cache, and a job that has ended."""
    port = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}
    made = {
        "web_1": make(sim, "shop", "web", version=version, HostConfig=port, ExposedPorts={"80/tcp": {}}, Env=["A=1"]),
        "db_1": make(sim, "shop", "db", version=version, HostConfig={"Binds": ["shop_data:/var/lib/db:rw"]}),
        "cache_1": make(sim, "shop", "cache", version=version),
        "cache_2": make(sim, "shop", "cache", 2, version=version),
        "job_1": make(sim, "shop", "job", version=version),
    }
    sim.stop(made["job_1"])
    return made


def look(host: Host) -> None:
    """Have the loop see what is on the host."""
    reconcile_one("host", host.pk)
    reconcile_until_idle()
