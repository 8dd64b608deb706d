"""Which keys below those of a service are carried over, and which compose has beside them.

What is not carried over is left out, and said by name; what compose does not have either is a spelling mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apps.stacks.compose.left_out import LeftOut, misspelt
from apps.stacks.compose.value_formats import parse_boolean

ANY_NAME = "*"
"""Stands for the names that people choose, as of limits and dependencies."""

Known = Mapping[str, Any]
"""The keys of a map, each with what is known below it: another map of keys, None for anything, or what tells whether
this value is carried over."""

_RATES: Known = {"path": None, "rate": None}
_BLOCK_DEVICES: Known = {
    "weight": None,
    "weight_device": {"path": None, "weight": None},
    **dict.fromkeys(("device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops"), _RATES),
}


def _is_one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: value in values


def _is_true(value: Any) -> bool:
    return parse_boolean(value) is True


def _beside(*names: str) -> dict[str, Callable[[Any], bool]]:
    """Keys that compose has and Corral does not carry over, whatever is below them."""
    return dict.fromkeys(names, lambda _value: False)


NESTED_KEYS: Known = {
    "blkio_config": _BLOCK_DEVICES,
    "depends_on": {ANY_NAME: {"condition": None, "required": None, "restart": lambda value: not _is_true(value)}},
    "deploy": {
        "mode": _is_one_of("replicated", "global"),
        "replicas": None,
        "resources": {
            "limits": {"cpus": None, "memory": None, "pids": None},
            "reservations": {
                **dict.fromkeys(("cpus", "memory", "devices", "generic_resources")),
                **_beside("pids"),
            },
        },
        "restart_policy": {"condition": None, "max_attempts": None, **_beside("delay", "window")},
        "placement": dict.fromkeys(("constraints", "preferences", "max_replicas_per_node")),
        **_beside("endpoint_mode", "labels", "rollback_config", "update_config"),
    },
    "healthcheck": {
        **dict.fromkeys(("test", "interval", "timeout", "retries", "start_period", "disable")),
        **_beside("start_interval"),
    },
    "logging": {"driver": None, "options": None},
    "ports": {
        **dict.fromkeys(("target", "published", "protocol", "host_ip", "mode")),
        **_beside("app_protocol", "name"),
    },
    "pull_policy": _is_one_of("always", "missing", "if_not_present"),
    "ulimits": {ANY_NAME: {"soft": None, "hard": None}},
    "volumes": {
        **dict.fromkeys(("type", "source", "target", "read_only")),
        "bind": {"propagation": None, "selinux": None, "create_host_path": _is_true, **_beside("recursive")},
        "volume": {"nocopy": None, **_beside("labels", "subpath")},
        "tmpfs": {"size": None, "mode": None},
        **_beside("cluster", "consistency", "image"),
    },
}
# Keys of services that compose or Rancher has and Corral does not carry over: they are no spelling mistakes.
KEYS_OF_COMPOSE = frozenset(
    [
        "attach",
        "container_name",
        "cpu_count",
        "cpu_percent",
        "cpuset_cpus",
        "develop",
        "disks",
        "driver_opts",
        "external_ips",
        "health_check",
        "lb_config",
        "load_balancer_config",
        "mac_address",
        "mem_swappiness",
        "memory",
        "memory_swap",
        "metadata",
        "models",
        "network_driver",
        "networks",
        "oom_kill_disable",
        "post_start",
        "pre_stop",
        "provider",
        "pull_refresh_after",
        "retain_ip",
        "scale_policy",
        "service_schemas",
        "start_on_create",
        "storage_driver",
        "type",
        "update_strategy",
        "upgrade_strategy",
        "use_api_socket",
        "userdata",
        "vcpu",
    ]
)
# A volume of the local driver is what the engine makes of any name; `labels` of a volume would steer nothing.
VOLUME_KEYS: Known = {
    "name": None,
    "external": None,
    "driver": _is_one_of("local", "default"),
    **_beside("driver_opts", "labels"),
}
# There is one network, and secrets and configs are not known here; their keys are known for the sake of spelling.
SECTION_KEYS: Mapping[str, Known] = {
    "networks": _beside(
        *("attachable", "driver", "driver_opts", "enable_ipv4", "enable_ipv6", "external", "internal", "ipam"),
        *("labels", "name"),
    ),
    "volumes": VOLUME_KEYS,
    "secrets": _beside(
        *("driver", "driver_opts", "environment", "external", "file", "labels", "name", "template_driver")
    ),
    "configs": _beside("content", "environment", "external", "file", "labels", "name", "template_driver"),
}


def left_out(key: str, value: Any, known: Any) -> Iterator[LeftOut]:
    """Yield what is given and not known, such as `deploy.placement`; a path stands for all below it."""
    if known is None or value is None:
        return
    if callable(known):
        if not known(value):
            yield LeftOut(key)
        return
    if isinstance(value, list):
        found: dict[str, LeftOut] = {}
        for each in value:
            for one in left_out(key, each, known):
                found.setdefault(one.path, one)
        yield from found.values()
        return
    if isinstance(value, Mapping):
        yield from _left_out_of_map(key, value, known)


def _left_out_of_map(key: str, value: Mapping[str, Any], known: Known) -> Iterator[LeftOut]:
    candidates = tuple(known)
    for name, each in value.items():
        if name in known or ANY_NAME in known:
            yield from left_out(f"{key}.{name}", each, known.get(name, known.get(ANY_NAME)))
        elif not name.startswith("x-") and each is not None:
            yield misspelt(name, value, candidates, f"`{key}`", key)
