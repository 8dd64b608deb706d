"""Checks of launch configurations and create bodies against their environment's host policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.engine_body import ruled_body
from apps.containers.models import Container
from apps.containers.policy import (
    CLOSED,
    Policy,
    PolicyViolation,
    SharedResources,
    check,
    on_engine,
)
from apps.containers.selectors import find_container, policy_of
from apps.core.errors import Invalid
from apps.drivers.base import Driver, EngineContainer, EngineRefused

_MANAGED_NETWORK = "managed"
_SIDEKICK = "sidekick"
_REMEDY = "It can be stopped and removed; an administrator can allow it (Environment, Host policy)."


def enforce_policy(
    config: LaunchConfig,
    environment_id: int,
    *,
    at: str = "",
    subject: str = "",
    find_policy: Callable[[int], Policy] = policy_of,
) -> None:
    """Raise `Invalid` at the first field of `config` that the environment's host policy forbids.

    `at` is what fields are called in the request (`launchConfig.`), `subject` the service or container it is about.
    Whoever checks many configurations passes a `find_policy` that asks once.
    """
    found = _current_violations(config, environment_id, find_policy)
    if found:
        prefix = f"{subject}: " if subject else ""
        message = f"{prefix}The host policy of this environment does not allow it: {_summarize(found)}. "
        remedy = "Leave it out, or ask an administrator to allow it (Environment, Host policy)."
        raise Invalid(at + found[0].option, "PolicyViolation", message + remedy)


def find_violations(config: LaunchConfig, environment_id: int, policy: Policy) -> tuple[PolicyViolation, ...]:
    """Return what `policy` forbids of a launch configuration, as far as that is known before a host is chosen."""
    return _ConfigJudgement(config, environment_id).violations(policy)


class _ConfigJudgement:
    """The part of a launch configuration that policies judge: built once, checked against any number of them."""

    def __init__(self, config: LaunchConfig, environment_id: int) -> None:
        peer = [config.network_container_id] if config.network_container_id else []
        references = [*config.data_volumes_from, *peer]
        self._shared = {_SIDEKICK: SharedResources()} | {
            each: _shared_resources_of_row(find_container(environment_id, each)) for each in references
        }
        self._body = ruled_body(
            config,
            network=_MANAGED_NETWORK,
            peer=config.network_container_id or _SIDEKICK,
            volumes_from=config.data_volumes_from,
        )

    def violations(self, policy: Policy) -> tuple[PolicyViolation, ...]:
        """Return what this policy forbids."""
        return check(self._body, policy, network=_MANAGED_NETWORK, shared=self._shared)


def _current_violations(
    config: LaunchConfig, environment_id: int, find_policy: Callable[[int], Policy] = policy_of
) -> tuple[PolicyViolation, ...]:
    """Return what the environment's policy forbids; most configurations pass even the closed one, without a query."""
    judgement = _ConfigJudgement(config, environment_id)
    return judgement.violations(CLOSED) and judgement.violations(find_policy(environment_id))


def enforce_current_policy(row: Container, what: str) -> None:
    """Raise `Invalid` if an existing container, whoever made it, violates the current policy.

    `what` is the action that is refused then: "started", "entered".
    """
    found = _current_violations(row.config, row.environment_id)
    if found:
        message = (
            f"{row} may not be {what}: the host policy of this environment does not allow it ({_summarize(found)}). "
        )
        raise Invalid(found[0].option, "PolicyViolation", message + _REMEDY)


def enforce_start_policy(row: Container) -> None:
    """Raise `EngineRefused` unless the current policy lets the container be started again."""
    found = _current_violations(row.config, row.environment_id)
    if found:
        raise EngineRefused(
            f"Not started: the host policy of {row.environment} does not allow it ({_summarize(found)})."
        )


def _summarize(found: Sequence[PolicyViolation]) -> str:
    return "; ".join(f"{each.option}: {each.why}" for each in found[:5])


def containers_in_violation(environment_id: int) -> list[tuple[Container, tuple[PolicyViolation, ...]]]:
    """List the containers that the environment's current policy would not let anybody make, with their violations."""
    policy = policy_of(environment_id)
    rows = Container.all_objects.filter(environment=environment_id, removed=None).exclude(desired="removed")
    found = ((row, find_violations(row.config, environment_id, policy)) for row in rows.select_related("host"))
    return [(row, why) for row, why in found if why]


def _shared_resources_of_row(row: Container | None) -> SharedResources:
    """Return what a container lends by its configuration; a missing one is refused elsewhere."""
    if row is None:
        return SharedResources()
    config = row.config
    folders = tuple(each.source for each in config.data_volumes if each.is_bind)
    return SharedResources(
        (*folders, *_bind_sources(row.engine_state.get("mounts", []))), config.network_mode == "host"
    )


def _bind_sources(mounts: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(each["source"] for each in mounts if each["kind"] == "bind")


def enforce_body_policy(row: Container, body: Mapping[str, Any], engine: Driver, network: str) -> None:
    """Raise `EngineRefused` unless the current policy lets this body be sent to the engine."""
    host = body.get("HostConfig") or {}
    names = [str(each).partition(":")[0] for each in host.get("VolumesFrom", ())]
    mode = str(host.get("NetworkMode", ""))
    if mode.startswith("container:"):
        names.append(mode.partition(":")[2])
    shared = {name: lent for name in names if (lent := on_engine.shared_resources(engine, name)) is not None}
    volumes = on_engine.named_volumes(body)
    if not volumes and not check(body, CLOSED, network=network, shared=shared):
        return
    policy = policy_of(row.environment_id)
    found = check(body, policy, network=network, shared=shared)
    if not found and _restricts_volumes(policy):
        found = tuple(on_engine.check_named_volumes(engine, policy, volumes))
    if found:
        raise EngineRefused(f"Not made: the host policy of {row.environment} does not allow it ({_summarize(found)}).")


def enforce_mount_policy(row: Container, engine: Driver, seen: EngineContainer) -> None:
    """Raise `EngineRefused` unless the current policy allows what the container really mounts.

    Between the check of a body and the engine's answer somebody may have put another volume under a name; what a
    container mounts does not change any more once it exists.
    """
    if not seen.mounts:
        return
    policy = policy_of(row.environment_id)
    found = tuple(on_engine.check_mounts_of(engine, policy, seen)) if _restricts_volumes(policy) else ()
    if found:
        message = f"Not started: the host policy of {row.environment} does not allow it ({_summarize(found)})."
        raise EngineRefused(message)


def _restricts_volumes(policy: Policy) -> bool:
    return not (policy.bind_mounts and "*" in policy.volume_drivers)


def body_mounts_volumes(body: Mapping[str, Any]) -> bool:
    """Whether what a create body leads to is known only once the container exists."""
    return bool(on_engine.named_volumes(body) or (body.get("HostConfig") or {}).get("VolumesFrom"))
