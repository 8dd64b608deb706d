"""Reads of images for the console and the API: rows of the inventory, never an engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from apps.containers.built_images import builder_of
from apps.containers.images.pruning import MAX_DAYS, RULES, choose, limit_of_age, tagged
from apps.containers.models import Container, HostImage, ImageInventory, ImageRemoval, Pull
from apps.core.defaults import setting
from apps.core.errors import Invalid
from apps.core.hooks import hooks
from apps.core.ids import parse_key
from apps.environments.actor import Actor

MAX_NAMED_USERS = 5
SHOWN_AFTERWARDS = timedelta(minutes=10)
"""How long the outcome of a removal is shown on the pages of images."""


def images_of(actor: Actor, environment_id: int) -> QuerySet[HostImage]:
    """The images on the hosts of an environment that are not removed."""
    mine = [key for key in [environment_id] if "view" in actor.permissions(key)]
    rows: QuerySet[HostImage] = HostImage.objects.within(mine).filter(host__removed=None)
    return rows


def filter_images(rows: QuerySet[HostImage], requested: Mapping[str, str]) -> QuerySet[HostImage]:
    """Those that match `q` (a part of a name or digest, or the beginning of an id), `host` and `use`."""
    if text := requested.get("q", ""):
        by_id = Q(image_id__startswith=text) | Q(image_id__startswith=f"sha256:{text}")
        rows = rows.filter(Q(tags__icontains=text) | Q(digests__icontains=text) | by_id)
    if host := requested.get("host", ""):
        key = parse_key(host)
        rows = rows.filter(Q(host__name__icontains=host) | (Q() if key is None else Q(host=key)))
    if requested.get("use") == "used":
        rows = rows.filter(user_count__gt=0)
    if requested.get("use") in {"unused", "dangling"}:
        rows = rows.filter(user_count=0)
    return rows.filter(tags="") if requested.get("use") == "dangling" else rows


def group_images(rows: QuerySet[HostImage]) -> QuerySet[Any]:
    """One entry for each image, on however many hosts: `image_id`, `name`, `size`, `created`, `hosts`, `users`."""
    grouped: QuerySet[Any] = (
        rows.order_by()
        .values("image_id")
        .annotate(
            name=Max("name"), size=Max("size"), created=Min("created"), hosts=Count("pk"), users=Sum("user_count")
        )
    )
    return grouped


@dataclass(frozen=True, slots=True)
class ImageUse:
    """An image wherever it is: `rows` are those of its hosts, `users` the first containers that were made from it."""

    rows: tuple[HostImage, ...]
    users: tuple[Container, ...]
    user_count: int

    @property
    def first(self) -> HostImage:
        """Its row on one of the hosts, the one with the most names."""
        return max(self.rows, key=lambda row: len(row.tag_list))

    @property
    def tags(self) -> list[str]:
        """All its names."""
        return sorted({tag for row in self.rows for tag in row.tag_list})

    @property
    def total_size(self) -> int:
        """Bytes on all hosts together."""
        return sum(row.size for row in self.rows)

    @property
    def more_users(self) -> int:
        """How many containers are not among `users`."""
        return max(0, self.user_count - len(self.users))


def uses_of(rows: QuerySet[HostImage], image_ids: Sequence[str]) -> dict[str, ImageUse]:
    """The images with these ids, with hosts and containers; two queries."""
    found: dict[str, list[HostImage]] = defaultdict(list)
    for row in rows.filter(image_id__in=image_ids).select_related("host").order_by("host__name", "pk"):
        found[row.image_id].append(row)
    everything = [row for each in found.values() for row in each]
    containers = users_of(everything)
    return {
        key: ImageUse(
            tuple(each),
            tuple(container for row in each for container in containers.get(row.pk, ()))[:MAX_NAMED_USERS],
            sum(row.user_count for row in each),
        )
        for key, each in found.items()
    }


def users_of(images: Iterable[HostImage], limit: int = MAX_NAMED_USERS) -> dict[int, list[Container]]:
    """Of each image the first `limit` containers that were made from it, by the image's key; one query."""
    wanted = {user: image.pk for image in images for user in image.users[:limit]}
    environments = {image.environment_id for image in images}
    rows = Container.objects.within(environments).filter(removed=None, external_id__in=list(wanted))
    found: dict[int, list[Container]] = defaultdict(list)
    for container in rows.only("name", "external_id", "environment", "host").order_by("name", "pk"):
        found[wanted[container.external_id]].append(container)
    return found


@dataclass(frozen=True, slots=True)
class PrunePreview:
    """What pruning would do: the `images` that go, with their hosts; the others are in use or needed."""

    rule: str
    days: int
    images: tuple[HostImage, ...]
    used: int
    needed: int
    size: int
    fingerprint: str

    @property
    def by_host(self) -> list[tuple[Any, list[HostImage], int]]:
        """Each host with what goes from it, the biggest first, and the bytes that become free there at most."""
        found: dict[int, list[HostImage]] = defaultdict(list)
        for image in self.images:
            found[image.host_id].append(image)
        return [
            (each[0].host, sorted(each, key=lambda image: -image.size), sum(image.size for image in each))
            for each in sorted(found.values(), key=lambda each: (str(each[0].host), each[0].host_id))
        ]


def prune_preview(environment_id: int, *, rule: str, hosts: Collection[int] = (), days: int = 0) -> PrunePreview:
    """What pruning removes from the hosts (none named: from all) of an environment.

    `rule` is dangling or unused, `days` the age that an image must have. Raises `Invalid`. Who may see the
    environment is the caller's to check.
    """
    if rule not in RULES:
        raise Invalid("rule", "InvalidOption", f"The rule is one of {', '.join(RULES)}.")
    if not 0 <= days <= MAX_DAYS:
        raise Invalid("days", "InvalidOption", f"The age is 0 to {MAX_DAYS} days.")
    rows = HostImage.objects.within([environment_id]).filter(host__removed=None).select_related("host")
    if hosts:
        rows = rows.filter(host__in=list(hosts))
    found = choose(
        rows.order_by("host", "-size", "pk"),
        "dangling" if rule == "dangling" else "unused",
        needed=needed_images(environment_id),
        is_own=_is_own_image,
        before=limit_of_age(timezone.now(), days),
    )
    images = tuple(image for image in found.going if isinstance(image, HostImage))
    return PrunePreview(rule, days, images, found.used, found.needed, found.size, found.fingerprint)


def needed_images(environment_id: int) -> frozenset[str]:
    """The images that containers and services of an environment name, whether or not one runs just now."""
    named = Container.all_objects.filter(environment=environment_id, removed=None).values_list("image").distinct()
    needed = {str(image) for (image,) in named}
    for images_of_app in hooks.images_needed:
        needed.update(images_of_app(environment_id))
    return frozenset(tagged(image) for image in needed if image)


def _is_own_image(name: str) -> bool:
    """Whether the portal itself puts it on hosts: for its agents, and for balancers."""
    return builder_of(name) is not None or name == setting("bootstrap.required.image")


@dataclass(frozen=True, slots=True)
class ImageActivity:
    """What is happening to the images of hosts: `removals` that run or just ended, and `pulls`.

    Those are on their way or failed, or have just ended without the mirror that they should have come from.
    """

    pulls: tuple[Pull, ...]
    removals: tuple[ImageRemoval, ...]


def image_activity(environment_id: int, host_id: int | None = None) -> ImageActivity:
    """Of an environment, or of one of its hosts; two queries."""
    recent = timezone.now() - SHOWN_AFTERWARDS
    pulls = Pull.objects.within([environment_id]).filter(
        ~Q(state="pulled") | Q(status__mirror_failed=True, ended__gt=recent)
    )
    removals = ImageRemoval.objects.within([environment_id]).filter(
        Q(ended=None, desired="finished") | Q(ended__gt=recent)
    )
    if host_id is not None:
        pulls = pulls.filter(Q(host=host_id) | Q(source=host_id) | Q(sender=host_id))
        removals = removals.filter(host=host_id)
    return ImageActivity(
        tuple(pulls.select_related("host", "source", "sender").order_by("-pk")[:20]),
        tuple(removals.select_related("host").order_by("-pk")[:20]),
    )


def inventory_time(environment_id: int, host_id: int | None = None) -> datetime | None:
    """As of when the images are known: the oldest time of the hosts."""
    rows = ImageInventory.objects.filter(environment=environment_id, host__removed=None)
    rows = rows if host_id is None else rows.filter(host=host_id)
    oldest: datetime | None = rows.aggregate(oldest=Min("taken_at"))["oldest"]
    return oldest
