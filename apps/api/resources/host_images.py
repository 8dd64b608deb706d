"""`hostImage`, `imageRemoval` and `imagePrune` (not in Rancher's v1): the images of hosts, and how they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Action, Data, Link, Resource, id_prefix_of
from apps.api.wire.roles import READ_ONLY, TypeRoles
from apps.containers.images.archives import image_download, image_import
from apps.containers.images.pruning import MAX_DAYS
from apps.containers.images.selectors import prune_preview, users_of
from apps.containers.images.services import describe_removal, image_tag, images_prune, images_remove
from apps.containers.models import HostImage, ImageRemoval
from apps.control.services import request_change
from apps.core.errors import Invalid, NotFound, Problem
from apps.core.ids import row_number, wire_id
from apps.core.streams import FileDownload
from apps.drivers.base import EngineError, EngineNotFound
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

_ROLES = TypeRoles(user="r", admin="r", environment={"view": "r", "hosts": "c"})
_MAX_USERS = 100


class TagImageInputResource(EmbeddedResource):
    """Another name for an image on its host."""

    name = "tagImageInput"
    roles = _ROLES
    own_fields = parse_fields("name string c * 1..512")


def _tag(caller: ApiCaller, row: HostImage, data: Data) -> None:
    image_tag(actor=caller.actor, image=row, name=data["name"])


class ImageDetailsResource(EmbeddedResource):
    """An image in full, as its engine shows it now: what it starts, and its history, the newest step first."""

    name = "imageDetails"
    roles = READ_ONLY
    own_fields = parse_fields("""
        architecture string        r
        author       string        r
        command      array[string] r
        digests      array[string] r
        entrypoint   array[string] r
        history      json          r
        imageId      string        r
        labels       map[string]   r
        os           string        r
        ports        array[string] r
        tags         array[string] r
        user         string        r
        volumes      array[string] r
    """)


def _details(caller: ApiCaller, row: HostImage) -> Data:
    """The `call` of the link: one question to one engine."""
    try:
        found = driver_of(row.host).image_details(row.image_id)
    except EngineNotFound:
        raise NotFound(f"{row.host} does not have {row} any more.") from None
    except EngineError as error:
        raise Problem(str(error), status=503, code="Service Unavailable") from None
    history = [
        {"command": layer.command, "size": layer.size, "created": layer.created, "tags": list(layer.tags)}
        for layer in found.layers
    ]
    return {
        "type": "imageDetails",
        "links": {"self": caller.url("hostimages", wire_id(id_prefix_of("hostImage"), row.pk), "details")},
        "actions": {},
        "imageId": found.image.id,
        "tags": list(found.image.tags),
        "digests": list(found.image.digests),
        "os": found.os,
        "architecture": found.architecture,
        "author": found.author or None,
        "command": list(found.command),
        "entrypoint": list(found.entrypoint),
        "ports": list(found.ports),
        "volumes": list(found.volumes),
        "user": found.user or None,
        "labels": dict(found.labels),
        "history": history,
    }


def _download(caller: ApiCaller, row: HostImage, query_params: QueryDict) -> FileDownload:  # noqa: ARG001 - of links
    return image_download(row, actor=caller.actor)


class ImportedImagesResource(EmbeddedResource):
    """What an archive that was sent to a host had in it: names of images, or ids of those without a name."""

    name = "importedImages"
    roles = READ_ONLY
    own_fields = parse_fields("""
        hostId reference[host] r
        images array[string]   r
    """)


def import_archive(caller: ApiCaller, row: Host, data: Data) -> Data:
    """The `call` of the action `importimage` of hosts: the body is an archive of images."""
    names = image_import(row, data["file"], actor=caller.actor)
    return {
        "type": "importedImages",
        "links": {},
        "actions": {},
        "hostId": wire_id("h", row.pk),
        "images": names,
    }


class HostImageResource(Resource):
    """An image on a host, as its engine listed it last."""

    name = "hostImage"
    model = HostImage
    roles = TypeRoles(user="r", admin="r", environment={"view": "r"})
    own_fields = parse_fields("""
        name           string                      r <name
        accountId      reference[account]          r <environment_id
        hostId         reference[host]             r <host_id
        imageId        string                      r <image_id
        tags           array[string]               r
        digests        array[string]               r
        size           int                         r <size
        created        date                        r <created
        containerCount int                         r <user_count
        containerIds   array[reference[container]] r
        kind                  string r
        state                 enum   r ~
        transitioning         enum   r :yes|no|error ~
        transitioningMessage  string r
        transitioningProgress int    r
    """)
    computed = {
        **ALWAYS_ACTIVE,
        "tags": lambda context: context.row.tag_list,
        "digests": lambda context: context.row.digest_list,
        "containerIds": lambda context: [wire_id("i", each.pk) for each in context.extra or ()],
    }
    custom_actions = {"tag": Action(_tag, "tagImageInput", permission="hosts")}
    links = {
        "host": Link("host", attribute="host_id"),
        "details": Link(call=_details),
        "download": Link(call_with_query=_download, permission="images", is_file=True),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """Those of hosts that are not removed."""
        return super().rows(caller).filter(host__removed=None).select_related("host")

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:  # noqa: ARG002 - the base's signature
        """The containers that were made from each, the first of them."""
        return users_of(rows, _MAX_USERS)


class ImageRemovalResource(Resource):
    """Images on their way off one host; creating one removes what is named, or what a rule finds."""

    name = "imageRemoval"
    model = ImageRemoval
    roles = _ROLES
    own_fields = parse_fields("""
        name          string                      r  <name
        description   string                      r  <description
        hostId        reference[host]             r  <host_id
        hostIds       array[reference[host]]      c
        imageIds      array[reference[hostImage]] c
        imageName     string                      c  0..512
        rule          enum                        cr :selected|dangling|unused =selected <rule
        olderThanDays int                         c  0..36500
        expected      string                      c  0..64
        force         boolean                     cr =false <force
        images        json                        r  <images
        removedImages array[string]               r
        removedNames  array[string]               r
        keptImages    json                        r
        untaggedImages json                       r
        freed         int                         r
        progress      int                         r
        ended         date                        r  <ended
    """)
    computed = {
        "removedImages": lambda context: describe_removal(context.row)["removed"],
        "removedNames": lambda context: describe_removal(context.row)["names"],
        "untaggedImages": lambda context: describe_removal(context.row)["untagged"],
        "keptImages": lambda context: describe_removal(context.row)["kept"],
        "freed": lambda context: describe_removal(context.row)["freed"],
        "progress": lambda context: (context.row.status or {}).get("percent"),
    }
    links = {"host": Link("host", attribute="host_id")}

    def create(self, caller: ApiCaller, data: Data) -> list[ImageRemoval]:
        """Remove `imageIds`, or on `hostIds` (none: all hosts) what `rule` finds; one row for each host.

        With `imageName`, images lose that name alone.
        `expected` is the fingerprint of an `imagePrune`: with it, nothing else goes than was shown there.
        """
        rule = data.get("rule") or "selected"
        if rule == "selected":
            images = [_find_image(caller, text) for text in dict.fromkeys(data.get("imageIds") or ())]
            only = data.get("imageName") or ""
            return images_remove(actor=caller.actor, images=images, force=bool(data.get("force")), only=only)
        if any(data.get(name) for name in ("imageIds", "imageName", "force")):
            raise Invalid(
                "rule", "InvalidOption", "A rule chooses by itself: send no imageIds, imageName or force with it."
            )
        return images_prune(
            actor=caller.actor,
            environment=caller.require_environment(),
            rule=rule,
            hosts=[_find_host(caller, text) for text in data.get("hostIds") or ()],
            days=data.get("olderThanDays") or 0,
            expected=data.get("expected") or "",
        )

    def act(self, caller: ApiCaller, row: ImageRemoval, action: str) -> None:
        """Stop it; what is gone is gone."""
        request_change(row, action, actor=caller.actor)


def _find_image(caller: ApiCaller, text: str) -> HostImage:
    rows = HostImage.objects.within(caller.environments()).filter(host__removed=None).select_related("host")
    found: HostImage | None = rows.filter(pk=row_number(text) or 0).first()
    if found is None:
        raise Invalid("imageIds", "InvalidReference", f"There is no image {text[:64]!r} on a host here.")
    return found


def _find_host(caller: ApiCaller, text: str, field: str = "hostIds") -> int:
    key = row_number(text) or 0
    if not Host.objects.within(caller.environments()).filter(pk=key, removed=None).exists():
        raise Invalid(field, "InvalidReference", f"There is no host {text[:64]!r} here.")
    return key


class ImagePruneResource(EmbeddedResource):
    """What a rule would remove from hosts, and how many bytes that frees at most; nothing is changed."""

    name = "imagePrune"
    roles = READ_ONLY
    own_fields = parse_fields("""
        fingerprint   string r
        images        json   r
        needed        int    r
        olderThanDays int    r
        rule          enum   r :dangling|unused
        size          int    r
        used          int    r
    """)


def prune_preview_of(caller: ApiCaller, row: Environment, query_params: QueryDict) -> Data:
    """The `call` of an environment's link: `rule` (dangling unless given), `hostId` and `olderThanDays`."""
    host = query_params.get("hostId", "")
    days = query_params.get("olderThanDays", "0")
    if not (days.isascii() and days.isdigit() and len(days) < 7):
        raise Invalid("olderThanDays", "InvalidFormat", f"olderThanDays is a number from 0 to {MAX_DAYS}.")
    hosts = [_find_host(caller, host, "hostId")] if host else []
    found = prune_preview(row.pk, rule=query_params.get("rule", "dangling"), hosts=hosts, days=int(days))
    return {
        "type": "imagePrune",
        "links": {"self": caller.url("projects", wire_id("a", row.pk), "imageprune")},
        "actions": {},
        "rule": found.rule,
        "olderThanDays": found.days,
        "images": [_describe_image(image) for image in found.images],
        "used": found.used,
        "needed": found.needed,
        "size": found.size,
        "fingerprint": found.fingerprint,
    }


def _describe_image(image: HostImage) -> Data:
    return {
        "id": wire_id(id_prefix_of("hostImage"), image.pk),
        "hostId": wire_id("h", image.host_id),
        "imageId": image.image_id,
        "name": image.name,
        "tags": image.tag_list,
        "size": image.size,
    }
