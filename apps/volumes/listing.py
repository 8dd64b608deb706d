"""What an engine says of its volumes, written into their rows: new ones, changed ones, and what mounts them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.dateparse import parse_datetime

from apps.containers.models import Container
from apps.drivers.volumes import EngineVolume
from apps.hosts.models import Host
from apps.volumes.models import Volume, VolumeMount
from apps.volumes.scope import scope_of

_STACK_LABEL = "io.rancher.stack.name"
BATCH = 500
OBSERVED = (
    "state",
    "driver",
    "options",
    "labels",
    "on_engine",
    "mountpoint",
    "made_at",
    "size",
    "scope",
    "users",
    "unused_since",
    "stack_name",
    "service_key",
    "container_name",
)


@dataclass(frozen=True, slots=True)
class MountOfContainer:
    """One mount of a container's row, by the volume's name."""

    volume: str
    container: int
    path: str
    writable: bool


@dataclass(slots=True)
class VolumeUse:
    """Who mounts a volume now, by name, and who had it last: the newest container, gone or not."""

    users: list[str] = field(default_factory=list)
    stack_name: str = ""
    service_key: uuid.UUID | None = None
    container_name: str = ""


def store_listing(host: Host, seen: Sequence[EngineVolume], sizes: Mapping[str, int], now: datetime) -> None:
    """Make the rows of the host's volumes what its engine shows; rows with a pending change are left to it."""
    mounts, uses = _uses_on(host)
    rows = {row.name: row for row in Volume.all_objects.filter(host=host, removed=None)}
    new, changed = list[Volume](), list[Volume]()
    for each in seen:
        row = rows.get(each.name)
        if row is None:
            new.append(_new_row(host, each))
            _observe(new[-1], each, uses.get(each.name), sizes, now)
        elif _is_settled(row) and _observe(row, each, uses.get(each.name), sizes, now):
            changed.append(row)
    present = {each.name for each in seen}
    gone = [row.pk for name, row in rows.items() if name not in present and row.on_engine and _is_settled(row)]
    with transaction.atomic():
        Volume.all_objects.filter(pk__in=gone, observed_generation=F("generation")).delete()
        Volume.all_objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
        for row in changed:
            # Only where nobody has asked for a change meanwhile: the row's own reconcile sees what became of it.
            columns = {name: getattr(row, name) for name in OBSERVED}
            Volume.all_objects.filter(pk=row.pk, generation=row.generation, lease="").update(**columns)
        _store_mounts(host, mounts)


def _is_settled(row: Volume) -> bool:
    return row.observed_generation == row.generation and row.desired == "inactive" and row.state != "error"


def _new_row(host: Host, seen: EngineVolume) -> Volume:
    """The row of a volume that is there already: nothing is desired of it but that it is known."""
    known = {"desired": "inactive", "generation": 1, "observed_generation": 1, "next_attempt_at": None}
    return Volume(environment_id=host.environment_id, host=host, name=seen.name[:255], state="", **known)


def _observe(row: Volume, seen: EngineVolume, use: VolumeUse | None, sizes: Mapping[str, int], now: datetime) -> bool:
    """Write what is seen into the row; whether anything of it is new."""
    before = [getattr(row, name) for name in OBSERVED]
    row.driver, row.options, row.labels = seen.driver[:255], dict(seen.options), dict(seen.labels)
    row.on_engine, row.mountpoint = True, seen.mountpoint[:1024]
    row.made_at = _parse_time(seen.created) or row.made_at
    row.size = sizes.get(seen.name, row.size)
    row.users = sorted(use.users) if use else []
    row.state = "active" if row.users else "inactive"
    row.unused_since = None if row.users else (row.unused_since or now)
    if use is not None:
        row.stack_name, row.service_key, row.container_name = use.stack_name, use.service_key, use.container_name
    row.scope = scope_of(row.name, row.labels, row.stack_name)
    return before != [getattr(row, name) for name in OBSERVED]


def _parse_time(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None


def users_of(row: Volume) -> list[str]:
    """The containers that mount a volume at this moment, by name."""
    return users_on(row.host).get(row.name, [])


def users_on(host: Host) -> dict[str, list[str]]:
    """The containers that mount the volumes of a host at this moment, by the volume's name."""
    _mounts, uses = _uses_on(host)
    return {name: sorted(use.users) for name, use in uses.items() if use.users}


def _uses_on(host: Host) -> tuple[list[MountOfContainer], dict[str, VolumeUse]]:
    """The mounts of the host's containers, and by volume who uses it; of removed containers only that they had it."""
    columns = ("pk", "name", "external_id", "spread_key", "tags", "status")
    rows = Container.all_objects.filter(host=host).order_by("pk").values_list(*columns)
    mounts, uses = list[MountOfContainer](), dict[str, VolumeUse]()
    for key, name, external_id, spread_key, tags, status in rows.iterator(chunk_size=BATCH):
        for mount in (status or {}).get("mounts") or ():
            if mount.get("kind") != "volume" or not mount.get("name"):
                continue
            use = uses.setdefault(mount["name"], VolumeUse())
            use.stack_name, use.service_key = str((tags or {}).get(_STACK_LABEL, ""))[:255], _parse_uuid(spread_key)
            use.container_name = name
            if external_id:  # emptied when it is gone from the engine
                mounts.append(MountOfContainer(mount["name"], key, mount["target"][:1024], bool(mount["writable"])))
                if name not in use.users:
                    use.users.append(name)
    return mounts, uses


def _parse_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _store_mounts(host: Host, mounts: Iterable[MountOfContainer]) -> None:
    """Make the rows of mounts what they are now."""
    keys = dict(Volume.all_objects.filter(host=host, removed=None).values_list("name", "pk"))
    wanted = {(keys[each.volume], each.container, each.path): each.writable for each in mounts if each.volume in keys}
    stored = VolumeMount.objects.filter(volume__host=host)
    found = {(row.volume_id, row.container_id, row.path): row for row in stored}
    stale = [row.pk for key, row in found.items() if wanted.get(key) is not row.writable]
    VolumeMount.objects.filter(pk__in=stale).delete()
    kept = {key for key, row in found.items() if wanted.get(key) is row.writable}
    new = [
        VolumeMount(volume_id=volume, container_id=container, path=path, writable=writable)
        for (volume, container, path), writable in wanted.items()
        if (volume, container, path) not in kept
    ]
    for row in new:
        row.environment_id = host.environment_id
    VolumeMount.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
