"""What people do with images on hosts: name them, remove them, and have hosts cleaned up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from django.db import transaction

from apps.containers.built_images import require_other_name
from apps.containers.images.inventory import take_inventory
from apps.containers.images.selectors import prune_preview
from apps.containers.launch.values import check_image_reference
from apps.containers.models import HostImage, ImageRemoval
from apps.control.services import create, record
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound
from apps.drivers.base import EngineError, EngineNotFound, EngineRefused
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

MAX_REMOVED = 1_000
"""Images that one request removes, over all hosts."""


def require(actor: Actor, permission: str, environment_id: int) -> None:
    """Raise `Forbidden` unless the actor holds the permission."""
    allowed = can(actor, permission, environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)


def image_tag(*, actor: Actor, image: HostImage, name: str) -> str:
    """Give an image on its host another name, now; the name with its tag.

    Raises `Forbidden`, `Invalid` for what cannot be a name, `NotFound`, and `Conflict` with the engine's words.
    """
    require(actor, "hosts", image.environment_id)
    name = check_image_reference("name", name.strip())
    if "@" in name:
        raise Invalid("name", "InvalidFormat", "A name has a tag such as web:2, and no digest.")
    require_other_name("name", name)
    name = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    try:
        driver_of(image.host).tag_image(image.image_id, name)
    except EngineNotFound:
        raise NotFound(f"{image.host} does not have {image} any more.") from None
    except EngineRefused as error:
        raise Invalid("name", "InvalidFormat", f"{image.host} refuses the name: {error}") from None
    except EngineError as error:
        raise Conflict(f"{image.host} did not name it: {error}") from None
    details = {"image": str(image), "id": image.image_id, "name": name}
    record("image.tag", actor=actor, row=image.host, environment_id=image.environment_id, request=details)
    list_again(image.host)
    return name


def list_again(host: Host) -> None:
    """List the images of a host after one of them changed, unless its engine does not answer just now."""
    with suppress(EngineError):  # what was asked for is done; the next scan lists it
        take_inventory(host)


def images_remove(
    *, actor: Actor, images: Sequence[HostImage], force: bool = False, rule: str = "selected", only: str = ""
) -> list[ImageRemoval]:
    """Have images removed from their hosts, all of one environment; one row for each host, whose progress it shows.

    They go with all their names; with `only`, that name alone goes, and the image with its last one. What containers
    were made from or what the environment names stays whole. `force` takes it if no container of it runs, and is for
    owners. Raises `Forbidden`, and `Invalid` for none, too many, or a name that one of them does not have.
    """
    if not images:
        raise Invalid("images", "MissingRequired", "Choose the images to remove.")
    if len(images) > MAX_REMOVED:
        raise Invalid("images", "MaxLimitExceeded", f"At most {MAX_REMOVED} images are removed at a time.")
    environment_id = images[0].environment_id
    require(actor, "hosts", environment_id)
    if force:
        require(actor, "own", environment_id)
    by_host: dict[int, list[HostImage]] = defaultdict(list)
    for image in images:
        if image.environment_id != environment_id:
            raise Invalid("images", "InvalidReference", "The images are of several environments.")
        by_host[image.host_id].append(image)
        if only and only not in image.tag_list:
            raise Invalid("imageName", "InvalidReference", f"{image} on {image.host} does not have the name {only}.")
    with transaction.atomic():
        return [_create_removal(actor, found, rule, force=force, only=only) for _host, found in sorted(by_host.items())]


def _create_removal(actor: Actor, images: Sequence[HostImage], rule: str, *, force: bool, only: str) -> ImageRemoval:
    host = images[0].host
    described = [
        {"id": each.image_id, "names": each.tag_list, "size": each.size, **({"only": only} if only else {})}
        for each in images
    ]
    count = f"{len(images)} images" if len(images) > 1 else only or str(images[0])
    row = ImageRemoval(
        environment_id=host.environment_id,
        host=host,
        name=f"{count} from {host}"[:255],
        images=described,
        rule=rule,
        force=force,
    )
    names = [only] if only else [name for each in images for name in each.tag_list or [each.short_id]]
    create(row, actor=actor, request={"host": str(host), "rule": rule, "force": force, "images": names[:100]})
    return row


def images_prune(
    *,
    actor: Actor,
    environment: Environment,
    rule: str,
    hosts: Collection[int] = (),
    days: int = 0,
    expected: str = "",
) -> list[ImageRemoval]:
    """Remove what `prune_preview` shows of the same rule, hosts and age.

    `expected` is the preview's fingerprint: with it, what has changed since is refused. Raises `Forbidden`, `Invalid`,
    and `Conflict` when there is nothing to remove, or something else than was shown.
    """
    require(actor, "hosts", environment.pk)
    found = prune_preview(environment.pk, rule=rule, hosts=hosts, days=days)
    if expected and expected != found.fingerprint:
        raise Conflict("Other images would go by now than were shown; look again.")
    if not found.images:
        raise Conflict("There is no image to remove: all are in use, or needed.")
    return images_remove(actor=actor, images=found.images[:MAX_REMOVED], rule=rule)


def describe_removal(row: ImageRemoval) -> dict[str, Any]:
    """What became of the images so far.

    `removed` ids, `kept` with reasons, `untagged` those that stay under the names `left`, all `names` that went, and
    bytes `freed` at most.
    """
    status = row.status if isinstance(row.status, dict) else {}
    lists = {name: status.get(name, []) for name in ("removed", "kept", "untagged", "names")}
    return {**lists, "freed": status.get("freed", 0)}
