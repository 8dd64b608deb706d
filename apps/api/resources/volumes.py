"""`volume`, `mount`, `storagePool`: the volumes of hosts, what mounts them, and where they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import QueryDict

from apps.api.resources.parts import collection_of, part_id, parts_of
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Action, Data, Link, Resource, RowContext
from apps.api.wire.roles import READ_ONLY, TypeRoles
from apps.api.wire.serialize import serialize_rows
from apps.containers.models import Container
from apps.core.errors import Invalid
from apps.core.ids import row_number, wire_id
from apps.core.streams import FileDownload
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.volumes.files.services import open_download, read_folder
from apps.volumes.models import StoragePool, Volume, VolumeMount
from apps.volumes.selectors import mounts_within
from apps.volumes.services import volume_act, volumes_create, volumes_prune


class VolumeFolderResource(EmbeddedResource):
    """What is in a folder of a volume: name, kind, size, changed, mode and (of links) link of each entry."""

    name = "volumeFolder"
    roles = READ_ONLY
    own_fields = parse_fields("""
        complete boolean             r
        entries  json                r
        path     string              r
        volumeId reference[volume]   r
    """)


class PruneVolumesInputResource(EmbeddedResource):
    """Which of a host's unused volumes go: those that nobody named, with `named` all of them."""

    name = "pruneVolumesInput"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "delete": "c"})
    own_fields = parse_fields("named boolean c =false")


class PrunedVolumesResource(EmbeddedResource):
    """The volumes that are being removed, by their ids, and the bytes that were measured in them."""

    name = "prunedVolumes"
    roles = READ_ONLY
    own_fields = parse_fields("""
        sizeBytes int                      r
        volumeIds array[reference[volume]] r
    """)


def _files(caller: ApiCaller, row: Volume, query_params: QueryDict) -> Data:
    page = read_folder(row, query_params.get("path", ""), actor=caller.actor)
    entries = [
        {
            "name": each.name,
            "kind": each.kind,
            "size": each.size,
            "changed": each.changed.isoformat() if each.changed else None,
            "mode": f"{each.mode:04o}",
            "link": each.link or None,
        }
        for each in page.listing.entries
    ]
    if page.file is not None:
        entries = [{"name": page.file.name, "kind": "file", "size": page.file.size}]
    key = wire_id("v", row.pk)
    return {
        "type": "volumeFolder",
        "links": {"self": caller.url("volumes", key, "files"), "volume": caller.url("volumes", key)},
        "actions": {},
        "volumeId": key,
        "path": "/" + "/".join(page.parts),
        "complete": page.listing.is_complete,
        "entries": entries,
    }


def _download(caller: ApiCaller, row: Volume, query_params: QueryDict) -> FileDownload:
    return open_download(row, query_params.get("path", ""), actor=caller.actor)


def _options(context: RowContext) -> dict[str, str]:
    """The driver's options: a password may be among them, so that the values are for those who may see values."""
    options: dict[str, str] = context.row.options
    return options if context.may("values") else dict.fromkeys(options, "…")


class VolumeResource(Resource):
    """A volume on a host. Without a `hostId` one is made on each active host of the environment.

    Not in Rancher's v1: the fields hostId, labels, scope, sizeBytes, stackName, unusedSince and users, and the links
    files and download, which take a `path`.
    """

    name = "volume"
    model = Volume
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "c", "delete": "d"})
    own_fields = parse_fields("""
        accessMode  string              r
        driver      string              cr <driver * 1..255
        driverOpts  map[string]         cr
        externalId  string              r  <name
        hostId      reference[host]     cr <host_id
        imageId     string              r
        instanceId  reference[instance] r
        isHostPath  boolean             r
        labels      map[string]         cr <labels
        name        string              cr <name * 2..255
        scope       string              r  <scope
        sizeBytes   int                 r  <size
        stackName   string              r  <stack_name
        unusedSince date                r  <unused_since
        uri         string              r
        users       array[string]       r  <users
    """)
    computed = {
        **{name: lambda _context: None for name in ("accessMode", "imageId", "instanceId")},
        "driverOpts": _options,
        "isHostPath": lambda _context: False,
        "uri": lambda context: f"file://{context.row.mountpoint}" if context.row.mountpoint else None,
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "host": Link("host", attribute="host_id"),
        "mounts": Link("mount", column="volume"),
        "files": Link(call_with_query=_files, permission="browse"),
        "download": Link(call_with_query=_download, permission="browse", is_file=True),
    }

    def create(self, caller: ApiCaller, data: Data) -> Any:
        """Make it on the host that is named, else on each active one."""
        environment = caller.require_environment()
        rows = volumes_create(
            actor=caller.actor,
            environment=environment,
            hosts=_hosts(environment, data.get("hostId")),
            name=data["name"],
            driver=data["driver"],
            options=data.get("driverOpts") or {},
            labels=data.get("labels") or {},
            description=data.get("description") or "",
        )
        return rows[0] if data.get("hostId") else rows

    def act(self, caller: ApiCaller, row: Volume, action: str) -> None:
        """Remove or purge it."""
        volume_act(row, action, actor=caller.actor)

    def auditable(self, row: Any, body: Any) -> dict[str, Any]:  # noqa: ARG002 - the base's signature
        """The options by their names only: their values may be passwords."""
        options = body.get("driverOpts")
        return {**body, "driverOpts": sorted(map(str, options))} if isinstance(options, dict) else dict(body)


def _hosts(environment: Environment, text: str | None) -> list[Host]:
    hosts = Host.objects.within([environment.pk]).filter(removed=None).order_by("pk")
    if not text:
        return list(hosts.filter(state="active"))
    found = list(hosts.filter(pk=row_number(text) or 0))
    if not found:
        raise Invalid("hostId", "InvalidReference", f"There is no host {text[:64]!r} in this environment.")
    return found


class MountResource(Resource):
    """Where a container has a volume."""

    name = "mount"
    model = VolumeMount
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId             reference[account]  r <environment_id
        instanceId            reference[instance] r <container_id
        name                  string              r
        path                  string              r <path
        permissions           string              r
        state                 enum                r ~
        transitioning         enum                r ~ :yes|no|error
        transitioningMessage  string              r
        transitioningProgress int                 r
        volumeId              reference[volume]   r <volume_id
    """)
    computed = {
        **ALWAYS_ACTIVE,
        "name": lambda context: context.row.path,
        "permissions": lambda context: "rw" if context.row.writable else "ro",
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "instance": Link("container", attribute="container_id"),
        "volume": Link("volume", attribute="volume_id"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those in the environments that the caller sees."""
        return mounts_within(caller.environments())


def _prune(caller: ApiCaller, row: StoragePool, data: Data) -> Data:
    removed = volumes_prune(
        actor=caller.actor, environment=row.environment, host=row.host, with_named=bool(data.get("named"))
    )
    return {
        "type": "prunedVolumes",
        "links": {},
        "actions": {},
        "sizeBytes": sum(each.size or 0 for each in removed),
        "volumeIds": [wire_id("v", each.pk) for each in removed],
    }


class StoragePoolResource(Resource):
    """Where a host keeps its volumes: one for each host. Not in Rancher's v1: counts, sizes and the action `prune`."""

    name = "storagePool"
    model = StoragePool
    roles = READ_ONLY
    own_fields = parse_fields("""
        blockDevicePath    string          r
        driverName         string          r
        externalId         string          r
        hostId             reference[host] r <host_id
        measured           date            r <measured_at
        sizeBytes          int             r
        unusedBytes        int             r
        unusedCount        int             r
        volumeAccessMode   string          r
        volumeCapabilities array[string]   r
        volumeCount        int             r
    """)
    computed = {
        **{name: lambda _context: None for name in ("blockDevicePath", "volumeAccessMode", "volumeCapabilities")},
        "driverName": lambda _context: "local",
        "externalId": lambda context: context.row.host.engine_id or None,
        "sizeBytes": lambda context: context.row.status.get("bytes"),
        "unusedBytes": lambda context: context.row.status.get("unusedBytes"),
        "unusedCount": lambda context: context.row.status.get("unused"),
        "volumeCount": lambda context: context.row.status.get("volumes"),
    }
    custom_actions = {"prune": Action(_prune, "pruneVolumesInput", "prunedVolumes", permission="delete")}
    links = {
        "account": Link("project", attribute="environment_id"),
        "host": Link("host", attribute="host_id"),
        "volumes": Link("volume", column="host__storage_pool"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those of the caller's environments, with their hosts."""
        return StoragePool.objects.within(caller.environments()).select_related("host", "environment")


def _mounts_by_place(caller: ApiCaller, row: Container) -> dict[tuple[str, str], VolumeMount]:
    """The mounts of a container that have rows, by the volume's name and the path."""
    rows = mounts_within(caller.environments()).filter(container=row.pk).select_related("volume")
    return {(each.volume.name, each.path): each for each in rows}


def _reported(row: Container) -> Iterator[tuple[int, Data]]:
    yield from parts_of(row, "mounts")


def mounts_of(caller: ApiCaller, row: Container) -> Data:
    """Where a container has its volumes; folders of its host are parts of the container, with no rows of their own."""
    known = _mounts_by_place(caller, row)
    places = [(each.get("name", ""), each["target"]) for _number, each in _reported(row)]
    rows = [known[place] for place in places if place in known]
    others = [
        {
            "id": part_id("mount", row, number),
            "instanceId": wire_id("i", row.pk),
            "volumeId": part_id("volume", row, number),
            "path": each["target"],
            "permissions": "rw" if each["writable"] else "ro",
        }
        for number, each in _reported(row)
        if (each.get("name", ""), each["target"]) not in known
    ]
    return _joined("mount", serialize_rows(MountResource(), caller, rows), others)


def volumes_of(caller: ApiCaller, row: Container) -> Data:
    """The volumes and host folders that a container has mounted."""
    known = _mounts_by_place(caller, row)
    keys = {mount.volume_id for mount in known.values()}
    rows = list(Volume.objects.within(caller.environments()).filter(pk__in=keys).order_by("pk"))
    others = [
        {
            "id": part_id("volume", row, number),
            "instanceId": wire_id("i", row.pk),
            "name": each.get("name") or each["source"] or each["target"],
            "driver": "local",
            "externalId": each.get("name") or None,
            "isHostPath": each["kind"] == "bind",
            "uri": f"file://{each['source']}" if each["source"] else None,
        }
        for number, each in _reported(row)
        if (each.get("name", ""), each["target"]) not in known
    ]
    return _joined("volume", serialize_rows(VolumeResource(), caller, rows), others)


def _joined(kind: str, rows: list[Data], others: list[Data]) -> Data:
    found = collection_of(kind, others)
    return {**found, "data": [*rows, *found["data"]]}
