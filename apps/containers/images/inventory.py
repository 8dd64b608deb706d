"""What images are on hosts: kept in rows by the scans of hosts, so that no page asks an engine for them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.containers.mirror_pulls import digests_by_image, prune_mirrored_images
from apps.containers.models import HostImage, ImageInventory
from apps.control.queue import enqueue
from apps.core.events import row_changed
from apps.core.texts import strip_unstorable
from apps.drivers.base import EngineContainer, EngineError, EngineEvent, EngineImage
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

log = logging.getLogger(__name__)

MAX_AGE = timedelta(minutes=5)
"""How old an inventory may become if no event says that it is out of date."""
SETTLE = timedelta(seconds=3)
"""How long after the first news the images are listed: a hundred images pulled in a row are not a hundred scans."""
MAX_IMAGES = 5_000
_MAX_USERS = 200  # of one image: containers are named where they are few, and counted where they are many
_OBSERVED = ("name", "tags", "digests", "size", "created", "users", "user_count")


def handle_event(host_id: int, event: EngineEvent) -> None:
    """An image was pulled, tagged or deleted: have the host scanned in a moment, once for all that happens."""
    if event.kind != "image":
        return
    if ImageInventory.objects.filter(host=host_id, is_stale=False).update(is_stale=True):
        soon = timezone.now() + SETTLE
        Host.all_objects.filter(pk=host_id, lease="", next_attempt_at__gt=soon).update(next_attempt_at=soon)


def scan_images(host: Host, containers: Sequence[EngineContainer]) -> None:
    """List the images of a host if what is known of them is old or out of date.

    An engine that does not list them leaves what is known as it is: a host is fit for containers all the same.
    """
    known = ImageInventory.objects.filter(host=host).values_list("is_stale", "taken_at").first()
    if known is None or known[0] or known[1] < _newer(MAX_AGE):
        try:
            _save(host, driver_of(host).images(), containers)
        except EngineError as error:
            log.info("the images of %s could not be listed: %s", host, error)


def request_scan(hosts: Iterable[Host]) -> None:
    """Have the images of these hosts listed again soon."""
    for host in hosts:
        ImageInventory.objects.filter(host=host).update(is_stale=True)
        enqueue("host", host.pk)


def _newer(age: timedelta) -> datetime:
    return timezone.now() - age


def take_inventory(host: Host) -> None:
    """List the images of a host now. Raises `EngineError`."""
    engine = driver_of(host)
    _save(host, engine.images(), engine.containers())


def _save(host: Host, listing: Sequence[EngineImage], containers: Sequence[EngineContainer]) -> None:
    """Write what differs from the rows: most scans find nothing new."""
    prune_mirrored_images(host.pk, (image.id for image in listing))
    seen = _observed(listing, containers, digests_by_image([host.pk]))
    with transaction.atomic():
        # One at a time: two that list at once would both create the row of a new image.
        Host.all_objects.select_for_update(no_key=True).get(pk=host.pk)
        known: dict[str, HostImage] = {row.image_id: row for row in HostImage.all_objects.filter(host=host)}
        made = [
            HostImage(environment_id=host.environment_id, host=host, image_id=key, **columns)
            for key, columns in seen.items()
            if key not in known
        ]
        HostImage.all_objects.bulk_create(made)
        changed = [row for key, row in known.items() if key in seen and _update(row, seen[key])]
        HostImage.all_objects.bulk_update(changed, _OBSERVED, batch_size=200)
        gone = [row.pk for key, row in known.items() if key not in seen]
        for keys in _batches(gone, 500):
            HostImage.all_objects.filter(pk__in=keys).delete()
        taken = ImageInventory(host=host, environment_id=host.environment_id, taken_at=timezone.now(), is_stale=False)
        columns = ["environment", "taken_at", "is_stale"]
        ImageInventory.objects.bulk_create(
            [taken], update_conflicts=True, unique_fields=["host"], update_fields=columns
        )
    if made or changed or gone:
        row_changed(host.environment_id, "host", host.pk)


def _batches(keys: Sequence[int], size: int) -> list[Sequence[int]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def _update(row: HostImage, columns: Mapping[str, Any]) -> bool:
    """Set the columns; whether any of them is another than before."""
    changed = any(getattr(row, name) != value for name, value in columns.items())
    for name, value in columns.items():
        setattr(row, name, value)
    return changed


def _observed(
    listing: Sequence[EngineImage],
    containers: Sequence[EngineContainer],
    mirrored: Mapping[tuple[int, str], Sequence[str]],
) -> dict[str, dict[str, Any]]:
    names = {image_id: digests for (_host, image_id), digests in mirrored.items()}
    users: dict[str, list[str]] = defaultdict(list)
    for container in containers:
        users[container.image_id].append(container.id)
    biggest = sorted(listing, key=lambda image: -image.size)[:MAX_IMAGES]
    return {
        image.id[:128]: _columns(image, names.get(image.id, ()), sorted(users.get(image.id, ()))) for image in biggest
    }


def _columns(image: EngineImage, mirrored: Sequence[str], users: list[str]) -> dict[str, Any]:
    """What is kept of an image; `mirrored` are the digests that the engine does not know it by in its registry."""
    tags, digests = _lines(image.tags), _lines({*image.digests, *mirrored})
    first = tags.partition("\n")[0] or (_lines(mirrored) or digests).partition("\n")[0].partition("@")[0]
    return {
        "name": first[:512],
        "tags": tags,
        "digests": digests,
        "size": max(0, min(image.size, 2**62)),
        "created": _time(image.created),
        "users": users[:_MAX_USERS],
        "user_count": len(users),
    }


def _lines(names: Iterable[str]) -> str:
    return "\n".join(sorted(strip_unstorable(name).replace("\n", "") for name in names))


def _time(seconds: int) -> datetime | None:
    """An engine may report any number; years that no calendar has are none."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (OverflowError, OSError, ValueError):
        return None
