"""Holding launch configurations and create bodies against their environment's host policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.containers.models import Container
from apps.containers.plan import engine_body
from apps.containers.policy import CLOSED, Lender, Policy, Refusal, check
from apps.containers.selectors import find_container, policy_of
from apps.containers.spec import LaunchConfig
from apps.core.errors import Invalid
from apps.drivers.base import ContainerSeen, Driver, EngineNotFound, EngineRefused

_OWN = "managed"
_SIDEKICK = "sidekick"
_DEEPEST = 8
_STANDING_REMEDY = "It can be stopped and removed; an administrator can allow it (Environment, Host policy)."


def insist(config: LaunchConfig, environment_id: int, *, at: str = "", who: str = "") -> None:
    """Raise `Invalid` at the first field of `config` that the environment's host policy forbids.

    `at` is what fields are called in the request (`launchConfig.`), `who` the service or container it is about.
    """
    found = _refused_now(config, environment_id)
    if found:
        message = f"{who + ': ' if who else ''}The host policy of this environment does not allow it: {_told(found)}. "
        remedy = "Leave it out, or ask an administrator to allow it (Environment, Host policy)."
        raise Invalid(at + found[0].option, "PolicyViolation", message + remedy)


def refusals(config: LaunchConfig, environment_id: int, policy: Policy) -> tuple[Refusal, ...]:
    """What of a launch configuration the policy forbids, as far as it can be told before there is a host."""
    leans_on = [*config.data_volumes_from, *([config.network_container_id] if config.network_container_id else [])]
    lenders = {each: _lender_of_row(find_container(environment_id, each)) for each in leans_on}
    body = engine_body(
        config,
        labels={},
        network=_OWN,
        peer=config.network_container_id or _SIDEKICK,
        volumes_from=config.data_volumes_from,
    )
    return check(body, policy, network=_OWN, lenders={_SIDEKICK: Lender(), **lenders})


def _refused_now(config: LaunchConfig, environment_id: int) -> tuple[Refusal, ...]:
    """What the environment's policy forbids; of most configurations it can be told without reading it."""
    if not refusals(config, environment_id, CLOSED):
        return ()
    return refusals(config, environment_id, policy_of(environment_id))


def standing_insist(row: Container, what: str) -> None:
    """Raise `Invalid` where a container that is there, whoever made it, stands against the policy as it is now.

    `what` is what may not be done with it then: "started", "entered".
    """
    found = _refused_now(row.config, row.environment_id)
    if found:
        message = f"{row} may not be {what}: the host policy of this environment does not allow it ({_told(found)}). "
        raise Invalid(found[0].option, "PolicyViolation", message + _STANDING_REMEDY)


def start_insist(row: Container) -> None:
    """Raise `EngineRefused` unless the policy as it is now lets the container be started again."""
    found = _refused_now(row.config, row.environment_id)
    if found:
        raise EngineRefused(f"Not started: the host policy of {row.environment} does not allow it ({_told(found)}).")


def _told(found: Sequence[Refusal]) -> str:
    return "; ".join(f"{each.option}: {each.why}" for each in found[:5])


def not_allowed(environment_id: int) -> list[tuple[Container, tuple[Refusal, ...]]]:
    """The containers that stand in an environment although its policy forbids making them now, and what about them."""
    policy = policy_of(environment_id)
    rows = Container.all_objects.filter(environment=environment_id, removed=None).exclude(desired="removed")
    found = ((row, refusals(row.config, environment_id, policy)) for row in rows.select_related("host"))
    return [(row, why) for row, why in found if why]


def _lender_of_row(row: Container | None) -> Lender:
    """What a container gives on by its own wish; one that is not there is refused elsewhere."""
    if row is None:
        return Lender()
    config = row.config
    folders = tuple(each.source for each in config.data_volumes if each.is_bind)
    return Lender((*folders, *_folders(row.engine_state.get("mounts", []))), config.network_mode == "host")


def _folders(mounts: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(each["source"] for each in mounts if each["kind"] == "bind")


def body_insist(row: Container, body: Mapping[str, Any], engine: Driver, network: str) -> None:
    """Raise `EngineRefused` unless the policy as it is now lets this body be sent to the engine."""
    host = body.get("HostConfig") or {}
    names = [str(each).partition(":")[0] for each in host.get("VolumesFrom", ())]
    mode = str(host.get("NetworkMode", ""))
    if mode.startswith("container:"):
        names.append(mode.partition(":")[2])
    lenders = {name: lender for name in names if (lender := _lender_seen(engine, name)) is not None}
    if not check(body, CLOSED, network=network, lenders=lenders):
        return
    found = check(body, policy_of(row.environment_id), network=network, lenders=lenders)
    if found:
        raise EngineRefused(f"Not made: the host policy of {row.environment} does not allow it ({_told(found)}).")


def _lender_seen(engine: Driver, reference: str) -> Lender | None:
    """What a container on the engine gives on, whoever made it."""
    seen = _seen(engine, reference)
    if seen is None:
        return None
    folders = tuple(each.source for each in seen.mounts if each.kind == "bind")
    return Lender(folders, _uses_host_network(engine, seen))


def _seen(engine: Driver, reference: str) -> ContainerSeen | None:
    try:
        return engine.inspect(reference)
    except EngineNotFound:
        return None


def _uses_host_network(engine: Driver, seen: ContainerSeen | None) -> bool:
    """Whether a container's network is the host's, itself or through those whose network it shares."""
    for _ in range(_DEEPEST):
        if seen is None:
            return False
        mode = str((seen.raw.get("HostConfig") or {}).get("NetworkMode", ""))
        if not mode.startswith("container:"):
            return mode == "host"
        seen = _seen(engine, mode.partition(":")[2])
    return True
