"""Requests to the engine about one container, and what its answers mean for the row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.check_sharing import TARGET
from apps.containers.deployment_units import peers_in_unit, peers_label
from apps.containers.endings import CurrentRun
from apps.containers.launch.engine_body import engine_body
from apps.containers.launch.kind_labels import hostname_of
from apps.containers.managed_network import NotYet, ensure_network, local_network_name, managed_endpoint
from apps.containers.mirror_pulls import engine_reference
from apps.containers.models import Container
from apps.containers.name_servers import with_name_server
from apps.containers.network_checks import check_target, combined_health, doubt_seconds, subnet_of
from apps.containers.policy.enforce import body_mounts_volumes, enforce_body_policy, enforce_mount_policy
from apps.containers.published_ports import with_host_ports
from apps.containers.selectors import find_container
from apps.containers.timeline import PEER_REPLACED
from apps.control.queue import enqueue
from apps.core.defaults import setting
from apps.core.result import ReconcileResult
from apps.drivers.base import (
    CreateRequest,
    Driver,
    EngineConflict,
    EngineContainer,
    EngineNotFound,
    EngineRefused,
    ImageMissing,
)

UUID_LABEL = "io.rancher.container.uuid"
PREFIX_LABEL = "io.corral.container.prefix"  # what its name on the engine begins with: the setting may change later
NAME_WAIT = timedelta(seconds=30)

# What this process is doing on engines at this moment, by the container's uuid: these events need no requeue.
_STARTING: set[str] = set()
_REMOVING: set[str] = set()

_STATES = {"running": "running", "paused": "paused", "restarting": "restarting", "removing": "removing"}
_HEALTH = {"starting": "initializing", "healthy": "healthy", "unhealthy": "unhealthy"}
STARTED_FOR = "started_for"  # in a container's status: for which desired state it was last started, by its generation
KEPT_VOLUMES = "kept_volumes"  # in a container's status: volumes of the one before it, by their paths


class NameStillTaken(NotYet):
    """The container that had the name before is being stopped."""


class PeerNotReady(NotYet):
    """The container whose volumes or network it takes is not made yet."""


@contextmanager
def track_starting(row: Container) -> Iterator[None]:
    """While it is created or started here; that reconcile sees the outcome itself."""
    with _tracked_in(_STARTING, row):
        yield


@contextmanager
def track_removing(row: Container) -> Iterator[None]:
    """While it is removed from its engine here."""
    with _tracked_in(_REMOVING, row):
        yield


@contextmanager
def _tracked_in(in_progress: set[str], row: Container) -> Iterator[None]:
    in_progress.add(str(row.uuid))
    try:
        yield
    finally:
        in_progress.discard(str(row.uuid))


def is_own_action(uuid: str, action: str) -> bool:
    """Whether an event only reports what this process is doing; the end of one that is being started is news."""
    return uuid in _REMOVING or (action in {"create", "start"} and uuid in _STARTING)


def create_container(row: Container, engine: Driver) -> str:
    """Make the row's container and return its engine id; finds the one created by an earlier reconcile that was killed.

    The row's name is used, behind the prefix of the installation; where somebody else's container holds it, the name
    gets a piece of the row's uuid. Raises `NameStillTaken` while one of ours that is on its way out holds it.
    """
    prefix = setting("container.name.prefix")
    body, network = _build_body(row, engine, prefix)
    enforce_body_policy(row, body, engine, network)
    is_checked = not body_mounts_volumes(body)
    names = _engine_names(row, prefix)
    for name in names:
        try:
            created = _create(row, engine, CreateRequest(name, body, row.config.platform or ""))
        except EngineConflict:
            existing = _find_by_name(engine, name)
            if existing is not None and existing.labels.get(UUID_LABEL) == str(row.uuid):
                return existing.id
            if _is_being_given_up(row, existing):
                raise NameStillTaken(f"Waits for the earlier {row.name} to go.") from None
        else:
            return created if is_checked else _require_allowed_mounts(row, engine, created)
    raise EngineConflict(f"The names {' and '.join(names)} are both in use on {row.host}.")


def _require_allowed_mounts(row: Container, engine: Driver, created: str) -> str:
    """The id of a new container that may be started; one that mounts what it must not is removed again."""
    try:
        enforce_mount_policy(row, engine, engine.inspect(created))
    except EngineRefused:
        engine.remove(created)
        raise
    return created


def _is_being_given_up(row: Container, existing: EngineContainer | None) -> bool:
    """Whether the name is held by one of ours that is being removed; one that takes very long is not waited for.

    Nobody has it (None) where it was given up between the engine's refusal and this look.
    """
    if timezone.now() - row.created > NAME_WAIT:
        return False
    if existing is None:
        return True
    leaving = Container.all_objects.filter(environment=row.environment_id, desired="removed", removed=None)
    return leaving.filter(external_id=existing.id).exists()


def containers_awaiting_name(row: Container) -> Iterable[tuple[str, int]]:
    """What is to have the name of a container that is gone: it need not wait for its next try."""
    if not row.removal_requested or not row.spread_key:
        return []
    mine = Container.all_objects.filter(spread_key=row.spread_key, name=row.name, desired="running", removed=None)
    return [("container", key) for key in mine.filter(external_id="").values_list("pk", flat=True)]


def _find_by_name(engine: Driver, name: str) -> EngineContainer | None:
    try:
        return engine.inspect(name)
    except EngineNotFound:
        return None


def _create(row: Container, engine: Driver, request: CreateRequest) -> str:
    try:
        return engine.create(request)
    except ImageMissing:
        asked = str(request.body.get("Image", ""))
        if (known_as := engine_reference(row.host_id, asked)) == asked:
            raise
        return _create(row, engine, replace(request, body={**request.body, "Image": known_as}))
    except EngineNotFound:
        ensure_network(row, engine, known=False)
        return engine.create(request)


def _build_body(row: Container, engine: Driver, prefix: str) -> tuple[dict[str, Any], str]:
    """The create body, and the network of its environment that the container is to be in."""
    config = with_host_ports(row, with_name_server(row))
    managed = config.network_mode == "managed"
    members = peers_in_unit(row)
    lent = {name: _lent_engine_id(row, name, peer) for name, peer in members.items()}
    network_id = lent.get(config.network_launch_config or "")
    if config.network_container_id:
        network_id = _resolve_engine_id(row, config.network_container_id)
    endpoint = managed_endpoint(row, engine) if managed else None
    network = ensure_network(row, engine) if managed else local_network_name(row.environment.uuid)
    if networks := network_names(row):
        network = networks[0]
    body = engine_body(
        config,
        labels={
            UUID_LABEL: str(row.uuid),
            "io.rancher.container.name": row.name,
            **({PREFIX_LABEL: prefix} if prefix else {}),
            **row.tags,
            **peers_label(members),
        },
        network=network if managed else None,
        bridge=next(iter(network_names(row)), None),
        endpoint=endpoint,
        hostname=hostname_of(config, row.name),
        aliases=list(dict.fromkeys([row.name, *row.aliases, *(row.networks[0]["aliases"] if row.networks else ())])),
        peer=network_id,
        volumes_from=[
            *(_resolve_engine_id(row, reference) for reference in config.data_volumes_from),
            *(lent[name] for name in config.data_volumes_from_launch_configs if name in lent),
        ],
    )
    return _with_kept_volumes(body, row.status.get(KEPT_VOLUMES) or {}), network


def network_names(row: Container) -> list[str]:
    """The networks of its engine that a container is made in, which somebody else made; the first one is its mode."""
    is_inside = bool(row.networks) and row.config.network_mode == "bridge"
    return [each["name"] for each in row.networks] if is_inside else []


def is_made_here(row: Container, seen: EngineContainer) -> bool:
    """Whether the portal made what the engine shows: others have the row taken over, and carry no label of it."""
    return seen.labels.get(UUID_LABEL) == str(row.uuid)


def connect_networks(row: Container, engine: Driver, external_id: str) -> None:
    """Connect a container to all of its networks before it starts: older engines create one in a single network."""
    seen = engine.inspect(external_id)
    for each in row.networks if is_made_here(row, seen) and network_names(row) else ():
        if each["name"] not in seen.networks:
            engine.connect_network(each["name"], seen.id, aliases=[row.name, *row.aliases, *each["aliases"]])


def _with_kept_volumes(body: dict[str, Any], kept: Mapping[str, str]) -> dict[str, Any]:
    """The create body with the volumes of the container before, where it says nothing else about their paths."""
    host = body["HostConfig"]
    taken = {bind.split(":")[1] for bind in host.get("Binds", ()) if ":" in bind}
    binds = [f"{name}:{target}" for target, name in sorted(kept.items()) if target not in taken]
    return {**body, "HostConfig": {**host, "Binds": [*host.get("Binds", ()), *binds]}} if binds else body


def _resolve_engine_id(row: Container, reference: str) -> str:
    """The engine's id of another container of the environment, which must be on the same host."""
    referenced = find_container(row.environment_id, reference)
    if referenced is None or referenced.removed is not None or referenced.removal_requested:
        raise EngineRefused(f"The container {reference} whose volumes or network it takes was removed.")
    return _engine_id_of(row, referenced)


def _lent_engine_id(row: Container, name: str, peer: Container | None) -> str:
    """The engine's id of a member of the row's unit; one that is not there is made by the unit's service."""
    if peer is None:
        raise PeerNotReady(f"Waits for {name}, whose volumes or network it takes.")
    if not peer.external_id:  # its failures are its own: it is kept running, and this one with it
        raise PeerNotReady(f"Waits for {peer.name}, whose volumes or network it takes.")
    return _engine_id_of(row, peer)


def _engine_id_of(row: Container, referenced: Container) -> str:
    if referenced.host_id not in {None, row.host_id}:
        raise EngineRefused(f"{referenced.name}, whose volumes or network it takes, is on another host.")
    if referenced.external_id:
        return str(referenced.external_id)
    if referenced.display_state == "error":
        raise EngineRefused(f"{referenced.name}, whose volumes or network it takes, failed: {referenced.message}")
    raise PeerNotReady(f"Waits for {referenced.name}, whose volumes or network it takes.")


def observed_result(row: Container, seen: EngineContainer) -> ReconcileResult:
    """The engine's answer as the observed state of the row."""
    state = _STATES.get(seen.state, "stopped")
    address, target = next((a for a in seen.networks.values() if a), ""), check_target(row, seen)
    fields: dict[str, Any] = {
        "external_id": seen.id,
        "address": address,
        "health": combined_health(row, seen, _HEALTH.get(seen.health, ""), target),
        "host": row.host,
    }
    if row.native and seen.name:
        fields["name"] = seen.name[:255]  # what was made outside Corral is called as it is there
    started = parse_datetime(seen.started_at or "")
    details = _observed_details(seen)
    if state == "running" and started and started.year > 1 and row.status.get("started_at") != seen.started_at:
        fields |= {"start_count": row.start_count + 1, "first_running": row.first_running or started}
        fields |= {} if _is_ordered_start(row) else {"restarts": row.restarts + 1}
        details[STARTED_FOR] = row.generation
    run = CurrentRun.of(row.status, seen, timezone.now()).to_status() if state == "running" else None
    messages = {"stopped": _exit_message(seen), "paused": "Paused on the host."}
    return ReconcileResult(
        state=state,
        message=messages.get(state, ""),
        status={**row.status, **details, "run": run, **({TARGET: target} if row.network_check else {})},
        fields=fields,
        requeue_after=2.0 if state == "restarting" else doubt_seconds(row),
    )


def _is_ordered_start(row: Container) -> bool:
    """Whether a start is its first, or what is desired of it or the replacement of its like asks for it.

    Others are restarts.
    """
    if PEER_REPLACED in row.status:
        return True
    is_pending = row.status.get("achieved") != row.generation
    return row.start_count == 0 or (is_pending and row.status.get(STARTED_FOR) != row.generation)


def heal_name(row: Container, engine: Driver, seen: EngineContainer) -> EngineContainer:
    """Give it its name back where somebody renamed it on the engine, unless that name is taken there by now."""
    first, second = _engine_names(row, seen.labels.get(PREFIX_LABEL, ""))
    if row.native or not seen.name or seen.name in {first, second}:
        return seen
    try:
        engine.rename(seen.id, first)
    except (EngineConflict, EngineRefused):
        return seen
    return replace(seen, name=first)


def give_up_name(row: Container, engine: Driver, seen: EngineContainer) -> None:
    """Let what replaces an unhealthy container be made before that one is gone, where it needs nothing but its name.

    One that answers nothing often takes all of its grace period to stop, and balancers may wait for it before.
    """
    first, second = _engine_names(row, seen.labels.get(PREFIX_LABEL, ""))
    is_replaced = row.keep_running and row.network_check is not None and row.health == "unhealthy"
    if not is_replaced or seen.name != first or holds_more_than_name(row):
        return
    with suppress(EngineConflict, EngineRefused), track_removing(row):
        engine.rename(seen.id, second)
    for kind, key in containers_awaiting_name(row):
        enqueue(kind, key)


def holds_more_than_name(row: Container) -> bool:
    """Whether a container has what another one cannot have at the same time: ports, an address, files, a unit."""
    config = row.config
    has_volumes = any("ro" not in each.mode.split(",") for each in config.data_volumes) or row.status.get(KEPT_VOLUMES)
    borrows = config.data_volumes_from or config.data_volumes_from_launch_configs or config.data_volume_mounts
    has_address = row.retained_address or config.requested_ip_address or config.network_mode in {"host", "container"}
    has_others = row.deployment_unit or row.networks or config.devices
    has_ports = config.published or config.publish_all_ports
    return bool(has_volumes or borrows or has_address or has_others or has_ports)


def _engine_names(row: Container, prefix: str) -> tuple[str, str]:
    """The name on the engine, and the one where somebody else's container holds it."""
    return f"{prefix}{row.name}", f"{prefix}{row.name[:100]}_{str(row.uuid)[:8]}"


def _exit_message(seen: EngineContainer) -> str:
    if seen.oom_killed:
        return "Killed because it ran out of memory."
    if seen.error:
        return seen.error
    return f"Ended with exit code {seen.exit_code}." if seen.exit_code else ""


def _observed_details(seen: EngineContainer) -> dict[str, Any]:
    return {
        "engine_state": seen.state,
        "exit_code": seen.exit_code,
        "oom_killed": seen.oom_killed,
        "engine_restarts": seen.restart_count,
        "started_at": seen.started_at,
        "finished_at": seen.finished_at,
        "command": seen.command,
        "image_id": seen.image_id,
        "ports": [
            {"private": p.private, "public": p.public, "protocol": p.protocol, "address": p.address} for p in seen.ports
        ],
        "networks": dict(seen.networks),
        "subnet": subnet_of(seen),
        "mounts": [
            {"kind": m.kind, "source": m.source, "target": m.target, "writable": m.writable, "name": m.name}
            for m in seen.mounts
        ],
    }
