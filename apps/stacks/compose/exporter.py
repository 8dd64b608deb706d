"""Services to a pair of compose files (v2 form) that read back as the same services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from apps.containers.launch.config import HealthCheck, LaunchConfig, RestartPolicy
from apps.stacks.compose.model import ComposeService
from apps.stacks.compose.rancher_compose import HEALTH_KEYS
from apps.stacks.compose.service_keys import (
    BLOCK_KEYS,
    BOOLEAN_KEYS,
    PLAIN_KEYS,
    SIZE_KEYS,
)


class _Dumper(yaml.SafeDumper):
    """Writes everything out: no anchors, so that a person can edit one service without another."""

    def ignore_aliases(self, data: Any) -> bool:
        """No value is written as a reference to another."""
        del data
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    """YAML takes some letters for line ends; only between double quotes do they survive."""
    style = '"' if set(text) & set("\r\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def export(services: Sequence[ComposeService]) -> tuple[str, str]:
    """The docker-compose and the rancher-compose text, services and keys in a stable order.

    Ids of this portal (requested host, registry credential, containers leaned on) are left out: elsewhere they mean
    nothing.
    """
    docker = {each.name: _docker_service(each) for each in services}
    rancher = {each.name: _rancher_service(each) for each in services}
    return _dump(docker), _dump(rancher)


def _dump(services: dict[str, Any]) -> str:
    content = {"version": "2", "services": _escape_dollars(services)}
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=4096)


def _escape_dollars(value: Any) -> Any:
    """A dollar is doubled, so that it is no variable when the file is read."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {name: _escape_dollars(each) for name, each in value.items()}
    return [_escape_dollars(each) for each in value] if isinstance(value, list) else value


def _docker_service(service: ComposeService) -> dict[str, Any]:
    config = service.config
    wire = config.to_wire()
    image = config.image_uuid or ""
    found = {
        "image": image if image.startswith("sim:") else config.image,
        "command": wire["command"],
        "entrypoint": wire["entryPoint"],
        "environment": wire["environment"] or None,
        "labels": wire["labels"] or None,
        "ports": wire["ports"],
        "expose": wire["expose"],
        "volumes": wire["dataVolumes"],
        "tmpfs": [f"{path}:{options}" if options else path for path, options in config.tmpfs.items()] or None,
        "links": _links(service.links),
        "external_links": _links(service.external_links),
        "network_mode": config.network_mode if config.network_mode in {"bridge", "host", "none"} else None,
        "extra_hosts": wire["extraHosts"],
        "restart": _restart(config.restart_policy),
        **{key: wire[field] for key, field in (PLAIN_KEYS | SIZE_KEYS).items()},
        **{key: wire[field] for key, field in BOOLEAN_KEYS.items() if wire[field] is True or key == "init"},
        **_structured_keys(config, wire),
    }
    return {key: value for key, value in found.items() if value is not None}


def _structured_keys(config: LaunchConfig, wire: dict[str, Any]) -> dict[str, Any]:
    log, limits = config.log_config, {each.name: each for each in config.ulimits}
    return {
        "cpus": None if config.nano_cpus is None else _format_cpus(config.nano_cpus),
        "stop_grace_period": None if config.stop_timeout is None else f"{config.stop_timeout}s",
        "sysctls": wire["sysctls"],
        "ulimits": {
            name: each.soft if each.hard is None else {"soft": each.soft, "hard": each.hard}
            for name, each in limits.items()
        }
        or None,
        "logging": _drop_none({"driver": log.driver, "options": dict(log.config) or None}) if log else None,
        "healthcheck": _docker_health(config),
        "blkio_config": _blkio(config),
    }


def _drop_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _links(links: Sequence[tuple[str, str]]) -> list[str] | None:
    return [f"{target}:{alias}" for target, alias in links] or None


def _restart(policy: RestartPolicy | None) -> str | None:
    if policy is None:
        return None
    return f"{policy.name}:{policy.maximum_retry_count}" if policy.maximum_retry_count else policy.name


def _format_cpus(billionths: int) -> str:
    whole, rest = divmod(billionths, 10**9)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def _docker_health(config: LaunchConfig) -> dict[str, Any] | None:
    check = config.docker_health_check
    if check is None:
        return None
    times = {"interval": check.interval, "timeout": check.timeout, "start_period": check.start_period}
    return _drop_none(
        {
            "test": list(check.test) or None,
            **{key: f"{value}ms" if value else None for key, value in times.items()},
            "retries": check.retries or None,
        }
    )


def _blkio(config: LaunchConfig) -> dict[str, Any] | None:
    found: dict[str, Any] = {} if config.blkio_weight is None else {"weight": config.blkio_weight}
    for path, device in config.blkio_devices.items():
        for field, value in device.to_json().items():
            unit = "weight" if field == "weight" else "rate"
            found.setdefault(BLOCK_KEYS[field], []).append({"path": path, unit: value})
    return found or None


def _rancher_service(service: ComposeService) -> dict[str, Any]:
    check = service.config.health_check
    found = {
        "scale": service.scale,
        "description": service.description or None,
        "start_on_create": None if service.config.start_on_create else False,
        "health_check": _health(check) if check else None,
        "metadata": dict(service.metadata) or None,
    }
    return _drop_none(found)


def _health(check: HealthCheck) -> dict[str, Any]:
    wire = check.to_wire()
    return _drop_none({key: wire[field] for key, field in HEALTH_KEYS.items()})
