"""What engines show or tell turned into rows and wake-ups: foreign containers are adopted, differences looked at."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from apps.containers.engine import LABEL, is_ours
from apps.containers.models import Container
from apps.containers.plan import config_from_inspect
from apps.control.services import create
from apps.control.wake import send
from apps.drivers.base import ContainerSeen, EngineEvent, EngineNotFound
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

_TELLING = frozenset({"start", "die", "destroy", "pause", "unpause", "oom", "rename"})
_SAME = {
    "running": {"running", "paused"},
    "restarting": {"restarting", "running"},
    "stopped": {"created", "exited", "dead"},
    "error": {"created", "exited", "dead"},
}


def handle(host_id: int, event: EngineEvent) -> None:
    """Wake the row that an engine event is about; an unknown container has its host scanned."""
    if event.kind != "container":
        return
    action = event.action.split(":")[0]
    if is_ours(event.attributes.get(LABEL, ""), action):
        return
    if action not in _TELLING and action not in {"create", "health_status"}:
        return
    known = Q(external_id=event.id) | Q(uuid__in=[v for v in [event.attributes.get(LABEL)] if _is_uuid(v)])
    row = Container.all_objects.filter(known, environment__isnull=False).only("pk", "lease", "host").first()
    if row is None:
        if action != "destroy":
            send("host", host_id)
    elif action == "create" or (action == "start" and row.lease):
        return  # our own doing: the look that did it sees the outcome
    else:
        send("container", row.pk)


def _is_uuid(text: str | None) -> bool:
    return bool(text) and len(str(text)) == 36


def scan(host: Host, listing: list[ContainerSeen]) -> None:
    """Compare everything on an engine with the rows: wake what differs, take in what is new."""
    rows = list(
        Container.all_objects.filter(Q(host=host) | Q(external_id__in=[s.id for s in listing][:500]), removed=None)
    )
    by_id = {row.external_id: row for row in rows if row.external_id}
    by_uuid = {str(row.uuid): row for row in rows}
    for seen in listing:
        row = by_id.get(seen.id) or by_uuid.get(seen.labels.get(LABEL, ""))
        if row is not None:
            if not row.lease and _differs(row, seen):
                send("container", row.pk)
        elif not _leftover(host, seen):
            adopt(host, seen)
    there = {seen.id for seen in listing}
    for row in rows:
        if row.host_id == host.pk and row.external_id and row.external_id not in there and not row.lease:
            send("container", row.pk)


def fence(host: Host, listing: list[ContainerSeen]) -> int:
    """Have the copies removed that were given up while their host was silent; how many of them still run there."""
    rows = {str(row.uuid): row for row in Container.all_objects.filter(host=host, removed=None, desired="removed")}
    by_id = {row.external_id: row for row in rows.values() if row.external_id}
    running = 0
    for seen in listing:
        row = by_id.get(seen.id) or rows.get(seen.labels.get(LABEL, ""))
        if row is not None:
            send("container", row.pk)
            running += seen.state in {"running", "restarting", "paused"}
    return running


def _differs(row: Container, seen: ContainerSeen) -> bool:
    expected = _SAME.get(row.state)
    return expected is not None and seen.state not in expected


def _leftover(host: Host, seen: ContainerSeen) -> bool:
    """A container of ours whose row is removed, or stands on another host by now: nobody else takes it away."""
    uuid = seen.labels.get(LABEL, "")
    row = Container.all_objects.filter(uuid=uuid).first() if _is_uuid(uuid) else None
    if row is None:
        return False
    moved = row.host_id not in {None, host.pk} and row.external_id not in {"", seen.id}
    if moved or (row.state == "removed" and row.host_id == host.pk):
        driver_of(host).remove(seen.id)
    return True


def adopt(host: Host, seen: ContainerSeen) -> Container | None:
    """Take a container that was made outside Corral into its host's environment as a standalone one."""
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
        status={"achieved": 1, "adopted": timezone.now().isoformat()},
    )
    create(row, actor=None, request={"name": row.name})
    return row
