"""What a balancer does at one time: decided from its settings, its links and what is known of their targets. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from apps.core.errors import Invalid
from apps.stacks.balancer.config import (
    DISABLED,
    READY,
    Backend,
    BalancerCertificate,
    BalancerConfig,
    BalancerRule,
    Listener,
    Server,
    in_order,
)
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")
Request = tuple[int, str, str]  # listener, host, path


@dataclass(frozen=True, slots=True)
class TargetServer:
    """A container, an address or a host name of a target; `state` and `key` are those of `Server`."""

    name: str
    address: str
    state: str = READY
    key: str = ""


@dataclass(frozen=True, slots=True)
class BalancerTarget:
    """A service that a balancer links to: what leads to it, nothing for whatever no other target gets."""

    name: str
    ports: tuple[TargetPort, ...] = ()
    servers: tuple[TargetServer, ...] = ()


def config_of(
    settings: BalancerSettings,
    targets: Iterable[BalancerTarget],
    certificates: Mapping[int, str] | None = None,
) -> BalancerConfig:
    """Everything of the balancer; `certificates` are the names of those that are still there, by number."""
    names, targets = certificates or {}, tuple(targets)
    known = {key: BalancerCertificate(key, name) for key, name in names.items()}
    default = known.get(settings.default_certificate or 0)
    rules, backends = list[BalancerRule](), list[Backend]()
    for listener in settings.listeners:
        for request, servers in _requests_of(listener, targets).items():
            name = backend_name(request)
            backends.append(Backend(name, _usable(servers)))
            rules.append(BalancerRule(*request, backend=name))
    return BalancerConfig(
        settings.listeners,
        in_order(rules),
        tuple(sorted(backends, key=lambda each: each.name)),
        settings.cookie,
        settings.app_cookie,
        default,
        tuple(known[key] for key in settings.certificates if key in known and key != settings.default_certificate),
        settings.custom,
    )


def _requests_of(listener: Listener, targets: Iterable[BalancerTarget]) -> dict[Request, list[Server]]:
    """The servers of each kind of requests to a listener."""
    found: dict[Request, list[Server]] = {}
    for target in targets:
        for each in target.ports or (TargetPort(),):
            if not leads_from(listener, each):
                continue
            servers = found.setdefault((listener.port, each.host, each.path), [])
            port = each.port or listener.target_port or listener.port
            there = {(server.address, server.port) for server in servers}
            servers += [
                Server(server.name, server.address, port, server.state, key=server.key)
                for server in target.servers
                if (server.address, port) not in there
            ]
    return found


def leads_from(listener: Listener, port: TargetPort) -> bool:
    """Whether a rule is one of the listener's: those that do not look into requests know no hosts and paths."""
    return port.source in {None, listener.port} and (listener.is_http or not (port.host or port.path))


def _usable(servers: Sequence[Server]) -> tuple[Server, ...]:
    """The servers, each with a name of its own; where none is well, all that are not leaving are tried."""
    if not any(each.is_enabled for each in servers):
        servers = [replace(each, state=READY) if each.state == DISABLED else each for each in servers]
    seen: set[str] = set()
    found = []
    for each in servers:
        name = each.name if each.name not in seen else f"{each.name}-{each.port}"
        seen.add(name)
        found.append(replace(each, name=name))
    return tuple(found)


def backend_name(request: Request) -> str:
    """The name of the servers of these requests, the same at all times; a digest tells apart what looks alike."""
    port, host, path = request
    plain = "-".join(_NOT_IN_NAMES.sub("_", each) for each in (str(port), host, path) if each)
    if not path and _NOT_IN_NAMES.sub("_", host) == host:
        return plain
    return f"{plain[:100]}-{hashlib.sha256(repr(request).encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """A rule of a target that does nothing, and why."""

    target: str
    rule: TargetPort
    reason: str = field(compare=False)


def idle_rules(settings: BalancerSettings, targets: Iterable[BalancerTarget]) -> list[RuleProblem]:
    """The rules that no listener follows."""
    return [
        RuleProblem(target.name, rule, why)
        for target in targets
        for rule in target.ports
        if (why := _why_idle(settings, rule))
    ]


def check_rules(settings: BalancerSettings, rules: Iterable[TargetPort], field_name: str = "ports") -> None:
    """Raise `Invalid` for a rule that no listener follows."""
    for rule in rules:
        if why := _why_idle(settings, rule):
            raise Invalid(field_name, "InvalidPort", f"{rule}: {why}.")


def _why_idle(settings: BalancerSettings, rule: TargetPort) -> str:
    if any(leads_from(each, rule) for each in settings.listeners):
        return ""
    ports = sorted(each.port for each in settings.listeners)
    if rule.source is not None and rule.source not in ports:
        there = ", ".join(map(str, ports)) or "no port"
        return f"the balancer does not listen on {rule.source}; it listens on {there}"
    if not settings.listeners:
        return ""  # a balancer without listeners may get its rules first
    return "hosts and paths are read on http and https listeners only; leave them out"


def has_default(config: BalancerConfig, listener: Listener) -> bool:
    """Whether every request to the listener has a rule; others are answered with 503."""
    return any(not each.has_host and not each.path for each in config.rules_of(listener))
