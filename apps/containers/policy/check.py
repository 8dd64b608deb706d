"""The one check of a create body before an engine gets it, whatever the way it came to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.containers.policy import storage
from apps.containers.policy.known import HARMLESS, PROCESS, RULED
from apps.containers.policy.rules import Policy, matches

_PRIVATE = frozenset({"", "private", "shareable", "none"})
_NO_NEW_PRIVILEGES = frozenset({"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is not allowed: the v1 field, and what about it."""

    option: str
    why: str


@dataclass(frozen=True, slots=True)
class Lender:
    """A container that another one leans on: the host's folders it shows, and whether its network is the host's."""

    folders: tuple[str, ...] = ()
    host_network: bool = False


@dataclass(frozen=True, slots=True)
class _Around:
    """What the body may refer to: the environment's own network, and the containers it leans on."""

    network: str
    lenders: Mapping[str, Lender]


def check(
    body: Mapping[str, Any], policy: Policy, *, network: str = "", lenders: Mapping[str, Lender] | None = None
) -> tuple[Refusal, ...]:
    """Everything about a create body that `policy` does not allow; nothing: it may be sent.

    `network` is the environment's own network, the only one with a name of its own; `lenders` are the containers whose
    volumes or network it asks for, by the reference that the body has: others are refused.
    """
    around = _Around(network, lenders or {})
    host = body.get("HostConfig") or {}
    found = [Refusal(name[:60], "is not a known field") for name in body if name not in PROCESS]
    found += [Refusal(name[:60], "is not a known field") for name in host if name not in HARMLESS | RULED.keys()]
    for name, option in RULED.items():
        if host.get(name):
            found += [Refusal(option, why) for why in _RULES[name](policy, host[name], around)]
    networks = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    found += [Refusal("networkMode", f"{name[:60]} is not its network") for name in networks if name != network]
    return tuple(found)


def _volumes_from(policy: Policy, value: Iterable[str], around: _Around) -> Iterator[str]:
    for each in value:
        lender = around.lenders.get(each.partition(":")[0])
        if lender is None:
            yield f"the container {each[:60]} is not known here"
        elif not all(map(policy.opens, lender.folders)):
            yield "the container whose volumes it takes shows folders of the host that may not be mounted"


def _network(policy: Policy, value: str, around: _Around) -> Iterator[str]:
    kind, _colon, peer = value.partition(":")
    if kind == "container":
        lender = around.lenders.get(peer)
        if lender is None:
            yield f"the container {peer[:60]} is not known here"
        elif lender.host_network and not policy.host_network:
            yield "the container whose network it shares uses the host's"
    elif value == "host" and not policy.host_network:
        yield "the host's network may not be used"
    elif value not in {"host", "bridge", "default", "none", around.network}:
        yield f"there is no network {value[:60]!r} here"


def _mode(word: str, allowed: Callable[[Policy], bool]) -> Callable[[Policy, str, _Around], Iterator[str]]:
    def rule(policy: Policy, value: str, _around: _Around) -> Iterator[str]:
        if value not in _PRIVATE and not (value == "host" and allowed(policy)):
            yield f"{word} may not be shared ({value[:40]})"

    return rule


def _capabilities(policy: Policy, value: Iterable[str], _around: _Around) -> Iterator[str]:
    return (f"the capability {each[:40]} may not be added" for each in value if not policy.adds(each))


def _sysctls(policy: Policy, value: Mapping[str, str], _around: _Around) -> Iterator[str]:
    return (f"{name[:60]} may not be set" for name in value if not matches(policy.sysctls, name))


def _security(policy: Policy, value: Iterable[str], _around: _Around) -> Iterator[str]:
    refused = [each for each in value if each not in _NO_NEW_PRIVILEGES]
    return (f"{each[:60]} may not be set" for each in refused if not policy.security_opt)


def _privileged(policy: Policy, _value: bool, _around: _Around) -> Iterator[str]:  # noqa: FBT001 - as every rule
    if not policy.privileged:
        yield "privileged containers may not be made"


def _devices(policy: Policy, value: Iterable[Mapping[str, str]], _around: _Around) -> Iterator[str]:
    if not policy.devices:
        yield from (f"the device {str(each.get('PathOnHost'))[:60]} may not be used" for each in value)


_RULES: dict[str, Callable[[Policy, Any, _Around], Iterable[str]]] = {
    "Binds": lambda policy, value, _: storage.binds(policy, value),
    "Mounts": lambda policy, value, _: storage.mounts(policy, value),
    "VolumesFrom": _volumes_from,
    "VolumeDriver": lambda policy, value, _: storage.volume(policy, value, {}),
    "Privileged": _privileged,
    "NetworkMode": _network,
    "PidMode": _mode("the host's processes", lambda policy: policy.host_pid),
    "IpcMode": _mode("the host's shared memory", lambda policy: policy.host_ipc),
    "UTSMode": _mode("the host's name", lambda policy: policy.host_uts),
    "UsernsMode": _mode("the host's users", lambda policy: policy.host_userns),
    "Devices": _devices,
    "CapAdd": _capabilities,
    "Sysctls": _sysctls,
    "SecurityOpt": _security,
    "LogConfig": lambda policy, value, _: storage.log(policy, value),
}
