"""Writes services as a pair of compose files (version 2) that read back as the same services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from apps.containers.launch.config import LAUNCH_FIELDS, LaunchConfig
from apps.containers.launch.fields.declaration import ComposeKind, LaunchField
from apps.containers.launch.kind_labels import is_global
from apps.containers.launch.values import CLEARED, HealthCheck, LogConfig, RestartPolicy
from apps.stacks.compose.balancer_writer import docker_part, rancher_part
from apps.stacks.compose.model import ComposeService
from apps.stacks.compose.rancher_compose import HEALTH_KEYS, STRATEGY_KEYS
from apps.stacks.compose.service_keys import BLOCK_KEYS
from apps.stacks.compose.volume_names import declare_volumes
from apps.stacks.service_options import BALANCER, KIND_IMAGES, SERVICE, ServiceOptions, kind_of_image
from apps.stacks.sidekicks import SIDEKICKS_LABEL

HASH_LABEL = "io.rancher.service.hash"  # rancher-compose's own note of what it sent: wrong for any other file


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, so that a person can edit one service without changing another."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never write a value as a reference to another."""
        del data
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    """Quote what YAML would read as line ends: only between double quotes do these characters survive."""
    style = '"' if set(text) & set("\r\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def export(services: Sequence[ComposeService], stack_name: str = "", *, first_form: bool = False) -> tuple[str, str]:
    """Return the docker-compose and the rancher-compose text, with services and keys in a stable order.

    The first form, which is all that the oldest clients of v1 read, has the services at the top level. It knows the
    engine's names of volumes alone: a stack made from it would write into the volumes of this one, so that a stack with
    volumes of its own has the second form all the same. Ids of this portal (requested host, registry credential, other
    containers) are left out: they mean nothing elsewhere.
    """
    services = [one for each in services for one in _with_sidekicks(each)]
    mounts = [(mount.source, mount.path) for each in services for mount in each.config.data_volumes]
    names, declared = declare_volumes(mounts, stack_name)
    first_form = first_form and all(name == source for source, name in names.items())
    docker = {each.name: _docker_service(each, names, first_form=first_form) for each in services}
    own = {name for each in services for name, _config in each.sidekicks}
    rancher = {
        each.name: _rancher_sidekick(each.config) if each.name in own else _rancher_service(each, first_form=first_form)
        for each in services
    }
    rancher = {name: part for name, part in rancher.items() if part or name not in own}
    if first_form:
        return _dump({name: _in_first_form(each) for name, each in docker.items()}), _dump(rancher)
    docker = {each.name: _with_networks(each, docker[each.name]) for each in services}
    external = {network["name"]: {"external": True} for each in services for network in _networks(each)}
    sections = {
        "services": docker,
        **({"networks": dict(sorted(external.items()))} if external else {}),
        **({"volumes": declared} if declared else {}),
    }
    return _dump({"version": "2", **sections}), _dump({"version": "2", "services": rancher})


def _networks(service: ComposeService) -> list[Mapping[str, Any]]:
    """The networks that are there already; the default bridge has no name in a file."""
    if service.config.network_mode != "bridge":
        return []
    return [each for each in service.networks if each["name"] != "bridge"]


def _with_networks(service: ComposeService, written: dict[str, Any]) -> dict[str, Any]:
    """The service with its networks by name, which have the place of the mode."""
    networks = _networks(service)
    if not networks:
        return written
    listed = {each["name"]: {"aliases": list(each["aliases"])} if each["aliases"] else None for each in networks}
    return {**{key: value for key, value in written.items() if key != "network_mode"}, "networks": listed}


def _with_sidekicks(service: ComposeService) -> list[ComposeService]:
    """A service with the label that names its sidekicks, and these as services."""
    if not service.sidekicks:
        return [service]
    labels = {**service.config.labels, SIDEKICKS_LABEL: ",".join(name for name, _config in service.sidekicks)}
    beside = [ComposeService(name, config) for name, config in service.sidekicks]
    return [replace(service, config=replace(service.config, labels=labels)), *beside]


def _dump(content: dict[str, Any]) -> str:
    return yaml.dump(
        _escape_dollars(content),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=4096,
    )


def _in_first_form(service: dict[str, Any]) -> dict[str, Any]:
    """The keys that have another name there; a restart policy of `always` says nothing, as all of v1's do."""
    found: dict[str, Any] = {}
    for key, value in service.items():
        if key == "logging":
            found |= {f"log_{'opt' if name == 'options' else name}": each for name, each in value.items()}
        elif key == "network_mode":
            found["net"] = value.replace("service:", "container:")
        elif (key, value) != ("restart", "always"):
            found[key] = value
    return found


def _escape_dollars(value: Any) -> Any:
    """Double every dollar of a value, so that it is not read back as a variable; nothing is filled in in keys."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {name: _escape_dollars(each) for name, each in value.items()}
    return [_escape_dollars(each) for each in value] if isinstance(value, list) else value


KeyWriter = Callable[[ComposeService, Mapping[str, Any]], Any]

# Keys in the order in which people expect them; any other comes after these, in the order of the launch fields.
_KEY_ORDER = (
    "image command entrypoint environment labels ports expose volumes volumes_from tmpfs links external_links "
    "network_mode extra_hosts restart devices dns dns_search dns_opt domainname hostname cap_add cap_drop cpu_shares "
    "cpu_period cpu_quota cpuset pids_limit pid ipc security_opt group_add user volume_driver working_dir stop_signal "
    "mem_limit memswap_limit mem_reservation milli_cpu_reservation shm_size privileged read_only stdin_open tty init "
    "cpus stop_grace_period sysctls ulimits logging healthcheck blkio_config"
)


def _docker_service(service: ComposeService, volume_names: Mapping[str, str], *, first_form: bool) -> dict[str, Any]:
    wire = service.config.to_wire()
    mounts = (replace(each, source=volume_names.get(each.source, each.source)) for each in service.config.data_volumes)
    wire["labels"] = {name: value for name, value in service.config.labels.items() if name != HASH_LABEL}
    wire["dataVolumes"] = [str(each) for each in mounts] or None
    found = ((key, write(service, wire)) for key, write in KEY_WRITERS.items())
    return docker_part(service, {key: value for key, value in found if value is not None}, first_form=first_form)


def _drop_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _image(config: LaunchConfig) -> str:
    image = config.image_uuid or ""
    return image if image.startswith("sim:") else config.image


def _tmpfs(config: LaunchConfig) -> list[str] | None:
    return [f"{path}:{options}" if options else path for path, options in config.tmpfs.items()] or None


def _network_mode(config: LaunchConfig) -> str | None:
    if config.network_launch_config:
        return f"service:{config.network_launch_config}"
    return config.network_mode if config.network_mode in {"bridge", "host", "none"} else None


def _ulimits(config: LaunchConfig) -> dict[str, Any] | None:
    limits = {each.name: each for each in config.ulimits}
    return {
        name: each.soft if each.hard is None else {"soft": each.soft, "hard": each.hard}
        for name, each in limits.items()
    } or None


def _logging(log: LogConfig | None) -> dict[str, Any] | None:
    return _drop_none({"driver": log.driver, "options": dict(log.config) or None}) if log else None


def _links(links: Sequence[tuple[str, str]]) -> list[str] | None:
    return [f"{target}:{alias}" for target, alias in links] or None


def _restart(policy: RestartPolicy | None) -> str | None:
    if policy is None or not policy.name:
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


def _rancher_sidekick(config: LaunchConfig) -> dict[str, Any]:
    """A sidekick's part: what its containers have, as scale and all the rest are its service's."""
    check = config.health_check
    return _drop_none(
        {
            "start_on_create": None if config.start_on_create else False,
            "drain_timeout_ms": config.drain_timeout,
            "health_check": _health(check.to_wire()) if check else None,
        }
    )


def _rancher_service(service: ComposeService, *, first_form: bool) -> dict[str, Any]:
    outer = service.options.external.health_check
    check = HealthCheck.from_wire(outer) if outer else service.config.health_check
    has_scale = (
        service.options.kind in {SERVICE, BALANCER} and not is_global(service.config) and not service.scale_policy
    )
    found = {
        **_options(service.options, service.config.image),
        "scale": service.scale if has_scale else None,
        "scale_policy": dict(service.scale_policy) or None,
        "upgrade_strategy": _strategy(service.upgrade_strategy),
        **rancher_part(service, first_form=first_form),
        "description": service.description or None,
        "start_on_create": None if service.config.start_on_create else False,
        "drain_timeout_ms": service.config.drain_timeout,
        "health_check": _health(check.to_wire()) if check else None,
        "metadata": {name: each for name, each in service.metadata.items() if name != HASH_LABEL} or None,
    }
    return _drop_none(found)


def _strategy(wire: Mapping[str, Any]) -> dict[str, Any] | None:
    return {key: wire[name] for key, name in STRATEGY_KEYS.items() if name in wire} or None


def _options(options: ServiceOptions, image: str) -> dict[str, Any]:
    """What the image does not say already."""
    image = KIND_IMAGES[BALANCER] if options.kind == BALANCER else image
    return {
        "type": options.kind if options.kind != kind_of_image(image) else None,
        "external_ips": list(options.external.addresses) or None,
        "hostname": options.external.hostname or None,
        "retain_ip": options.address_settings.get("retainIp"),
    }


def _health(wire: Mapping[str, Any]) -> dict[str, Any]:
    return _drop_none({key: wire[field] for key, field in HEALTH_KEYS.items()})


_OWN_WRITERS: dict[str, KeyWriter] = {
    "image": lambda service, _wire: _image(service.config),
    "entrypoint": lambda service, wire: [] if service.config.entry_point == CLEARED else wire["entryPoint"],
    "tmpfs": lambda service, _wire: _tmpfs(service.config),
    "network_mode": lambda service, _wire: _network_mode(service.config),
    "volumes_from": lambda service, _wire: list(service.config.data_volumes_from_launch_configs) or None,
    "restart": lambda service, _wire: _restart(service.config.restart_policy),
    "ulimits": lambda service, _wire: _ulimits(service.config),
    "logging": lambda service, _wire: _logging(service.config.log_config),
    "healthcheck": lambda service, _wire: _docker_health(service.config),
    "blkio_config": lambda service, _wire: _blkio(service.config),
}
_LINK_WRITERS: dict[str, KeyWriter] = {
    "links": lambda service, _wire: _links(service.links),
    "external_links": lambda service, _wire: _links(service.external_links),
}


def key_writers(fields: Iterable[LaunchField]) -> dict[str, KeyWriter]:
    """Return the writer of each key of a service, in the order of the file."""
    writers = dict(_LINK_WRITERS)
    for field in fields:
        for each in field.compose:
            if each.written and each.kind != "rancher":
                writers[each.key] = _OWN_WRITERS.get(each.key) or _kind_writer(field, each.kind)
    order = _KEY_ORDER.split()
    return {key: writers[key] for key in (*order, *(key for key in writers if key not in order))}


def _kind_writer(field: LaunchField, kind: ComposeKind) -> KeyWriter:
    name = field.name
    if kind == "switch":  # v1 always has a value for most switches; the default says nothing
        return lambda _service, wire: None if wire[name] == field.default else wire[name]
    if kind == "cpus":
        return lambda _service, wire: None if wire[name] is None else _format_cpus(wire[name])
    if kind == "seconds":
        return lambda _service, wire: None if wire[name] is None else f"{wire[name]}s"
    if kind == "pairs":
        return lambda _service, wire: wire[name] or None
    return lambda _service, wire: wire[name]


KEY_WRITERS = key_writers(LAUNCH_FIELDS)
