"""Which keys below those of a service are carried over: what is not in this table is left out, and said by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

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


NESTED_KEYS: Known = {
    "blkio_config": _BLOCK_DEVICES,
    "depends_on": {ANY_NAME: {"condition": None, "required": None, "restart": lambda value: not _is_true(value)}},
    "deploy": {
        "mode": _is_one_of("replicated", "global"),
        "replicas": None,
        "resources": {
            "limits": {"cpus": None, "memory": None, "pids": None},
            "reservations": {"cpus": None, "memory": None},
        },
        "restart_policy": {"condition": None, "max_attempts": None},
    },
    "healthcheck": dict.fromkeys(("test", "interval", "timeout", "retries", "start_period", "disable")),
    "logging": {"driver": None, "options": None},
    "ports": dict.fromkeys(("target", "published", "protocol", "host_ip", "mode")),
    "pull_policy": _is_one_of("always", "missing", "if_not_present"),
    "ulimits": {ANY_NAME: {"soft": None, "hard": None}},
    "volumes": {
        **dict.fromkeys(("type", "source", "target", "read_only")),
        "bind": {"propagation": None, "selinux": None, "create_host_path": _is_true},
        "volume": {"nocopy": None},
        "tmpfs": {"size": None, "mode": None},
    },
}
# Keys of services that compose or Rancher has and Corral does not carry over: they are no spelling mistakes.
KEYS_OF_COMPOSE = frozenset(
    [
        "annotations",
        "attach",
        "cgroup",
        "cgroup_parent",
        "configs",
        "container_name",
        "cpu_count",
        "cpu_percent",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "cpuset_cpus",
        "credential_spec",
        "develop",
        "device_cgroup_rules",
        "disks",
        "driver_opts",
        "external_ips",
        "gpus",
        "health_check",
        "isolation",
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
        "platform",
        "post_start",
        "pre_stop",
        "provider",
        "pull_refresh_after",
        "retain_ip",
        "runtime",
        "scale_policy",
        "secrets",
        "service_schemas",
        "start_on_create",
        "storage_driver",
        "storage_opt",
        "type",
        "update_strategy",
        "upgrade_strategy",
        "use_api_socket",
        "userdata",
        "userns_mode",
        "uts",
        "vcpu",
    ]
)
# A volume of the local driver is what the engine makes of any name; `labels` of a volume would steer nothing.
VOLUME_KEYS: Known = {"name": None, "external": None, "driver": _is_one_of("local", "default")}


def left_out(key: str, value: Any, known: Any) -> Iterator[str]:
    """Yield the paths of what is given and not known, such as `deploy.placement`; a path stands for all below it."""
    if known is None or value is None:
        return
    if callable(known):
        if not known(value):
            yield key
        return
    if isinstance(value, list):
        found = dict.fromkeys(path for each in value for path in left_out(key, each, known))
        yield from found
        return
    if isinstance(value, Mapping):
        yield from _left_out_of_map(key, value, known)


def _left_out_of_map(key: str, value: Mapping[str, Any], known: Known) -> Iterator[str]:
    for name, each in value.items():
        path = f"{key}.{name}"
        if name in known or ANY_NAME in known:
            yield from left_out(path, each, known.get(name, known.get(ANY_NAME)))
        elif not name.startswith("x-") and each is not None:
            yield path
