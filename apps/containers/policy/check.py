"""The one check of a create body before it is sent to an engine, with the list of keys that may be sent at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.containers.launch.config import LAUNCH_FIELDS
from apps.containers.launch.fields.declaration import LaunchField
from apps.containers.policy import log_options, storage
from apps.containers.policy.rules import Policy, matches

RESERVED_LABELS = "io.corral."
# The policy of a service for lost hosts and its schedule, what simulated engines do, and the marks of a service.
_LABELS_FOR_EVERYBODY = (
    "io.corral.image_update",
    "io.corral.lost_host",
    "io.corral.schedule",
    "io.corral.sim.",
    "io.corral.service.revision",
    "io.corral.service.run",
    "io.corral.container.peers",
    "io.corral.container.prefix",
)
_PRIVATE = frozenset({"", "private", "shareable", "none"})
_NO_NEW_PRIVILEGES = frozenset({"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"})


@dataclass(frozen=True, slots=True)
class PolicyViolation:
    """One thing that is not allowed: the v1 field, and why."""

    option: str
    why: str


@dataclass(frozen=True, slots=True)
class SharedResources:
    """What a container lends to others: the folders and volumes it mounts, and whether its network is the host's."""

    folders: tuple[str, ...] = ()
    host_network: bool = False
    volumes: tuple[storage.VolumeSource, ...] = ()


@dataclass(frozen=True, slots=True)
class _CheckContext:
    """What the body may refer to: the environment's own network, and other containers."""

    network: str
    shared: Mapping[str, SharedResources]


_KEYS_OF_NETWORKS = ("HostConfig", "NetworkingConfig", "MacAddress")


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The keys that a create body may have.

    `body` are those beside the HostConfig, which open nothing, and `harmless` those in it that open nothing either;
    `ruled` are the ones in it that have a rule, with the v1 field that a refusal names. Any other key is refused.
    """

    body: frozenset[str]
    harmless: frozenset[str]
    ruled: Mapping[str, str]


def check(
    body: Mapping[str, Any], policy: Policy, *, network: str = "", shared: Mapping[str, SharedResources] | None = None
) -> tuple[PolicyViolation, ...]:
    """Return every violation of `policy` in a create body; without any it may be sent.

    `network` is the environment's own network, the only one with a name of its own; `shared` are the containers whose
    volumes or network it asks for, by the reference that the body has: others are refused.
    """
    context = _CheckContext(network, shared or {})
    host = body.get("HostConfig") or {}
    unknown = [name for name in body if name not in KNOWN_KEYS.body]
    unknown += [name for name in host if name not in KNOWN_KEYS.harmless and name not in KNOWN_KEYS.ruled]
    found = [PolicyViolation(name[:60], "is not a known field") for name in unknown]
    for name, option in KNOWN_KEYS.ruled.items():
        if host.get(name):
            found += [PolicyViolation(option, why) for why in _RULES[name](policy, host[name], context)]
    found += [PolicyViolation("labels", why) for why in _reserved_labels(policy, body.get("Labels") or {})]
    networks = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    found += [PolicyViolation("networkMode", f"{name[:60]} is not its network") for name in networks if name != network]
    return tuple(found)


def _reserved_labels(policy: Policy, labels: Iterable[str]) -> Iterator[str]:
    """Labels with which Corral marks its own parts: they are left alone by drains, and agents open their files."""
    for name in labels:
        reserved = name.lower().startswith(RESERVED_LABELS) and not name.startswith(_LABELS_FOR_EVERYBODY)
        if reserved and not policy.privileged:
            yield f"the label {name[:100]} is Corral's own"


def _volumes_from(policy: Policy, value: Iterable[str], context: _CheckContext) -> Iterator[str]:
    for each in value:
        resources = context.shared.get(each.partition(":")[0])
        if resources is None:
            yield f"the container {each[:60]} is not known here"
        elif not all(map(policy.allows_bind, resources.folders)):
            yield "the container whose volumes it takes mounts folders of the host that may not be mounted"
        else:
            for volume in resources.volumes:
                yield from storage.check_volume(policy, volume.driver, volume.options)


def _network(policy: Policy, value: str, context: _CheckContext) -> Iterator[str]:
    kind, _colon, peer = value.partition(":")
    if kind == "container":
        resources = context.shared.get(peer)
        if resources is None:
            yield f"the container {peer[:60]} is not known here"
        elif resources.host_network and not policy.host_network:
            yield "the container whose network it shares uses the host's"
    elif value == "host" and not policy.host_network:
        yield "the host's network may not be used"
    elif value not in {"host", "bridge", "default", "none", context.network}:
        yield f"there is no network {value[:60]!r} here"


def _namespace_rule(
    word: str, allowed: Callable[[Policy], bool]
) -> Callable[[Policy, str, _CheckContext], Iterator[str]]:
    def rule(policy: Policy, value: str, _context: _CheckContext) -> Iterator[str]:
        if value not in _PRIVATE and not (value == "host" and allowed(policy)):
            yield f"{word} may not be shared ({value[:40]})"

    return rule


def _capabilities(policy: Policy, value: Iterable[str], _context: _CheckContext) -> Iterator[str]:
    return (f"the capability {each[:40]} may not be added" for each in value if not policy.allows_capability(each))


def _sysctls(policy: Policy, value: Mapping[str, str], _context: _CheckContext) -> Iterator[str]:
    return (f"{name[:60]} may not be set" for name in value if not matches(policy.sysctls, name))


def _security(policy: Policy, value: Iterable[str], _context: _CheckContext) -> Iterator[str]:
    refused = [each for each in value if each not in _NO_NEW_PRIVILEGES]
    return (f"{each[:60]} may not be set" for each in refused if not policy.security_opt)


def _privileged(policy: Policy, _value: bool, _context: _CheckContext) -> Iterator[str]:  # noqa: FBT001 - as every rule
    if not policy.privileged:
        yield "privileged containers may not be made"


def _devices(policy: Policy, value: Iterable[Mapping[str, str]], _context: _CheckContext) -> Iterator[str]:
    if not policy.devices:
        yield from (f"the device {str(each.get('PathOnHost'))[:60]} may not be used" for each in value)


def _privileged_only(why: str) -> Callable[[Policy, Any, _CheckContext], Iterator[str]]:
    """A rule for what is as good as root on the host in the right hands, and has no switch of its own."""

    def rule(policy: Policy, _value: Any, _context: _CheckContext) -> Iterator[str]:
        if not policy.privileged:
            yield why

    return rule


def _device_rules(policy: Policy, value: Iterable[str], _context: _CheckContext) -> Iterator[str]:
    if not policy.devices:
        yield from (f"the devices {each[:60]!r} may not be used" for each in value)


def _oom_score(policy: Policy, value: int, _context: _CheckContext) -> Iterator[str]:
    if value < 0 and not policy.privileged:
        yield "a score below 0 may not be set, because the host's own processes would be killed first"


_RULES: dict[str, Callable[[Policy, Any, _CheckContext], Iterable[str]]] = {
    "Binds": lambda policy, value, _: storage.check_binds(policy, value),
    "Mounts": lambda policy, value, _: storage.check_mounts(policy, value),
    "VolumesFrom": _volumes_from,
    "VolumeDriver": lambda policy, value, _: storage.check_volume(policy, value, {}),
    "Privileged": _privileged,
    "NetworkMode": _network,
    "PidMode": _namespace_rule("the host's processes", lambda policy: policy.host_pid),
    "IpcMode": _namespace_rule("the host's shared memory", lambda policy: policy.host_ipc),
    "UTSMode": _namespace_rule("the host's name", lambda policy: policy.host_uts),
    "UsernsMode": _namespace_rule("the host's users", lambda policy: policy.host_userns),
    "CgroupnsMode": _namespace_rule("the host's control groups", lambda policy: policy.privileged),
    "CgroupParent": _privileged_only("a container may not be put beside the limits of other parts of the host"),
    "Runtime": _privileged_only("another runtime may not be chosen, as the engine's default may be there to confine"),
    "Annotations": _privileged_only("annotations may not be set, as runtimes take orders from them"),
    "CpuRealtimePeriod": _privileged_only("real-time scheduling may not be used, as it goes before the host's own"),
    "CpuRealtimeRuntime": _privileged_only("real-time scheduling may not be used, as it goes before the host's own"),
    "Devices": _devices,
    "DeviceCgroupRules": _device_rules,
    "CapAdd": _capabilities,
    "Sysctls": _sysctls,
    "SecurityOpt": _security,
    "LogConfig": lambda policy, value, _: log_options.check_log(policy, value),
    "OomScoreAdj": _oom_score,
}


def known_keys(fields: Iterable[LaunchField]) -> KnownKeys:
    """Collect the keys of the launch fields; a key declared as ruled but without a rule stays unknown, thus refused."""
    keys = [(key, field.name) for field in fields for key in field.engine]
    options: dict[str, str] = {}
    for key, name in keys:
        if key.ruled:
            options.setdefault(key.key, name)
    return KnownKeys(
        body=frozenset((*_KEYS_OF_NETWORKS, *(key.key for key, _ in keys if not key.in_host_config))),
        harmless=frozenset(key.key for key, _ in keys if key.in_host_config and not key.ruled),
        # The order of the rules decides which field a refusal is reported at: that of the first violation.
        ruled={key: options[key] for key in _RULES if key in options},
    )


KNOWN_KEYS = known_keys(LAUNCH_FIELDS)
