"""Scans and events of engines turned into rows and requeues: unknown containers get rows, others are requeued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from apps.containers.engine import UUID_LABEL, is_own_action
from apps.containers.launch.engine_body import config_from_inspect
from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.control.services import create
from apps.core.fixed_query import FixedQuery
from apps.drivers.base import EngineContainer, EngineEvent, EngineNotFound
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.hosts.system_container.container import is_volume_reader

_STATE_ACTIONS = frozenset({"start", "die", "destroy", "pause", "unpause", "oom", "rename"})
_MATCHING_ENGINE_STATES = {
    "running": {"running"},
    "paused": {"paused"},
    "restarting": {"restarting", "running"},
    "stopped": {"created", "exited", "dead"},
    "error": {"created", "exited", "dead"},
}


def handle_event(host_id: int, event: EngineEvent) -> None:
    """Requeue the container that an engine event is about, or the host if it is not known."""
    if event.kind != "container":
        return
    if is_volume_reader(event.attributes.get("name", ""), event.attributes):
        return
    action = event.action.split(":")[0]
    if is_own_action(event.attributes.get(UUID_LABEL, ""), action):
        return
    if action not in _STATE_ACTIONS and action not in {"create", "health_status"}:
        return
    known = Q(external_id=event.id) | Q(uuid__in=[v for v in [event.attributes.get(UUID_LABEL)] if _is_uuid(v)])
    mine = Host.all_objects.filter(pk=host_id).values("environment")  # an engine tells of its own environment only
    row = Container.all_objects.filter(known, environment__in=mine).only("pk", "lease", "host").first()
    if row is None:
        if action != "destroy":
            enqueue("host", host_id)
    elif action == "create" or (action == "start" and row.lease):
        return  # our own doing: the reconcile that did it sees the outcome
    else:
        enqueue("container", row.pk)


def _is_uuid(text: str | None) -> bool:
    return bool(text) and len(str(text)) == 36


@dataclass(frozen=True, slots=True)
class _KnownContainer:
    """What a scan compares of a container's row."""

    pk: int
    external_id: str
    uuid: str
    state: str
    native: bool
    name: str
    host_id: int | None


_COLUMNS = ("pk", "external_id", "uuid", "state", "native", "name", "host")
_ON_HOST = FixedQuery(
    lambda keys: (
        Container.all_objects.filter(host=keys[0], environment=keys[1], removed=None).order_by().values_list(*_COLUMNS)
    )
)


def _known_containers(host: Host, listing: Sequence[EngineContainer]) -> list[_KnownContainer]:
    """The containers that are to be on a host, and those of others that its engine has; one query without the latter.

    Every host is scanned every minute, so nothing else of them is read.
    """
    rows = _ON_HOST.rows([host.pk, host.environment_id])
    there = {each[1] for each in rows}
    elsewhere = [seen.id for seen in listing if seen.id not in there]
    if elsewhere:
        others = Container.all_objects.filter(environment=host.environment_id, removed=None).order_by()
        rows += others.filter(external_id__in=elsewhere[:500]).values_list(*_COLUMNS)
    return [
        _KnownContainer(key, external_id, str(UUID(str(uuid))), state, bool(native), name, on)
        for key, external_id, uuid, state, native, name, on in rows
    ]


def scan_host(host: Host, listing: Sequence[EngineContainer]) -> None:
    """Compare everything on an engine with the rows: requeue what differs, add what is new.

    Those under a lease as well: whoever holds it may have looked at the container before it changed.
    """
    rows = _known_containers(host, listing)
    by_id = {row.external_id: row for row in rows if row.external_id}
    by_uuid = {row.uuid: row for row in rows}
    for seen in listing:
        row = by_id.get(seen.id) or by_uuid.get(seen.labels.get(UUID_LABEL, ""))
        if row is not None:
            if _differs(row, seen) or (row.native and seen.name not in {"", row.name}):
                enqueue("container", row.pk)
        elif not is_volume_reader(seen.name, seen.labels) and not _clean_up_leftover(host, seen):
            add_foreign_container(host, seen)
    there = {seen.id for seen in listing}
    for row in rows:
        if row.host_id == host.pk and row.external_id and row.external_id not in there:
            enqueue("container", row.pk)


def fence_host(host: Host, listing: Sequence[EngineContainer]) -> int:
    """Requeue the copies that were given up while their host was lost; return how many of them still run there."""
    rows = {str(row.uuid): row for row in Container.all_objects.filter(host=host, removed=None, desired="removed")}
    by_id = {row.external_id: row for row in rows.values() if row.external_id}
    running = 0
    for seen in listing:
        row = by_id.get(seen.id) or rows.get(seen.labels.get(UUID_LABEL, ""))
        if row is not None:
            enqueue("container", row.pk)
            running += seen.state in {"running", "restarting", "paused"}
    return running


def _differs(row: _KnownContainer, seen: EngineContainer) -> bool:
    expected = _MATCHING_ENGINE_STATES.get(row.state)
    return expected is not None and seen.state not in expected


def _clean_up_leftover(host: Host, seen: EngineContainer) -> bool:
    """Whether it is ours; if its row is removed, or on another host by now, it is deleted: nothing else would do it.

    What carries the label of another environment's row, or of another installation's, is somebody else's.
    """
    uuid = seen.labels.get(UUID_LABEL, "")
    mine = Container.all_objects.filter(environment=host.environment_id)
    row = mine.filter(uuid=uuid).first() if _is_uuid(uuid) else None
    if row is None:
        return False
    moved = row.host_id not in {None, host.pk} and row.external_id not in {"", seen.id}
    if moved or (row.state == "removed" and row.host_id == host.pk):
        driver_of(host).remove(seen.id)
    return True


def add_foreign_container(host: Host, seen: EngineContainer) -> Container | None:
    """Make a row of a container that was created outside Corral, as a standalone one of its host's environment."""
    try:
        full = driver_of(host).inspect(seen.id)
    except EngineNotFound:
        return None
    if Container.all_objects.filter(external_id=full.id, host=host, removed=None).exists():
        return None
    config = config_from_inspect(full.raw)
    row = Container(
        environment_id=host.environment_id,
        name=full.name.lstrip("/")[:255],
        desired="running" if full.state in {"running", "restarting", "paused"} else "stopped",
        spec=config.to_json(),
        image=full.image[:512],
        native=True,
        host=host,
        external_id=full.id,
        status={"achieved": 1, "found": timezone.now().isoformat()},
    )
    create(row, actor=None, request={"name": row.name})
    return row
