"""Which images run, and under which digests their engines have them."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from apps.containers.built_images import builder_of
from apps.containers.mirror_pulls import digests_by_image
from apps.containers.models import Container
from apps.drivers.base import EngineError
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.stacks.models import Service
from apps.stacks.updates.image_names import ImageTag, digest_of, digests_for, is_digest, read_image_tag, without_digest
from apps.stacks.updates.models import HostImageDigests
from apps.stacks.updates.policies import PolicyIndex
from apps.stacks.updates.policy import NEVER

log = logging.getLogger(__name__)

MAX_ASKING = 15.0  # seconds of one run that engines may take; the others come next time
BUILT_HERE = "Corral makes this image itself, and replaces it with its own versions."
SWITCHED_OFF = "The policy says never: nobody looks for newer ones."
PINNED = "Its name is pinned to a digest, which never means another image."
NO_TAG = "It has no tag that a registry could be asked for."
FROM_NO_REGISTRY = "It came from no registry: it was built or loaded on the host."
NOT_SEEN = "Its host has not said yet which image that is."

Place = tuple[int, str]  # a host, and the engine's id of an image


@dataclass
class ImageInUse:
    """An image that a service (or, without one, a container) runs: `places` are the images that its name meant there.

    `held` are the digests that its containers were made from where these are pinned by the portal; `reason` says why
    nobody looks for a newer one, empty where somebody does.
    """

    environment_id: int
    service_id: int | None
    container_id: int | None
    image: str
    places: set[Place] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    reason: str = ""

    @property
    def key(self) -> tuple[int | None, int | None, str]:
        """What its row is found by."""
        return (self.service_id, self.container_id, self.image)

    @property
    def tag(self) -> ImageTag | None:
        """What a registry is asked for; None where that is nothing."""
        return None if self.reason else read_image_tag(self.image)


class RunningImages:
    """All images in use, read in three queries, with what engines said of them."""

    def __init__(self) -> None:
        self._policies = PolicyIndex()
        self._services = {
            str(uuid): (key, image, pins)
            for uuid, key, image, pins in Service.all_objects.filter(removed=None).values_list(
                "uuid", "pk", "image", "image_pins"
            )
        }
        self._made_last: dict[Place, datetime] = {}
        found: dict[tuple[int | None, int | None, str], ImageInUse] = {}
        rows = Container.all_objects.filter(removed=None, desired="running", host__isnull=False)
        for key, environment, spread_key, image, host, image_id, created in rows.exclude(external_id="").values_list(
            "pk", "environment", "spread_key", "image", "host", "status__image_id", "created"
        ):
            use = self._use_of(key, environment, spread_key, image)
            use = found.setdefault(use.key, use)
            if without_digest(image) == use.image and "@" in image:
                use.held.add(digest_of(image))
            elif image_id:
                place = (host, str(image_id)[:100])
                use.places.add(place)
                self._made_last[place] = max(created, self._made_last.get(place, created))
        self.uses = list(found.values())
        self._digests: dict[Place, list[str]] = {}

    def _use_of(self, key: int, environment: int, spread_key: str, image: str) -> ImageInUse:
        service, service_image, pins = self._services.get(spread_key, (None, "", {}))
        name = without_digest(image) if without_digest(image) in {service_image, *pins} else image
        use = ImageInUse(environment, service, None if service else key, name)
        if builder_of(without_digest(name)) is not None:
            use.reason = BUILT_HERE
        elif self._policies.policy_of(environment, service).mode == NEVER:
            use.reason = SWITCHED_OFF
        elif "@" in name:
            use.reason = PINNED
        elif read_image_tag(name) is None:
            use.reason = NO_TAG
        return use

    def learn_digests(self, now: datetime) -> None:
        """Read what engines said, and ask those that have an image which nobody has asked for since it was made."""
        known = {(row.host_id, row.image_id): row for row in HostImageDigests.objects.all()}
        wanted = {place for use in self.uses if not use.reason for place in use.places}
        HostImageDigests.objects.filter(pk__in=[row.pk for place, row in known.items() if place not in wanted]).delete()
        missing = {place for place in wanted if place not in known or known[place].seen_at < self._made_last[place]}
        self._digests = {place: row.digests for place, row in known.items() if place in wanted}
        self._digests |= _ask_engines(missing, now)
        for use in self.uses:
            if not use.reason and not use.held and all(self._digests.get(place) == [] for place in use.places):
                use.reason = FROM_NO_REGISTRY if use.places else NOT_SEEN

    def digests_of(self, use: ImageInUse) -> list[tuple[str, ...]]:
        """For each image that the name means on the hosts, the digests that it is known by; those unknown left out."""
        tag = use.tag
        if tag is None:
            return []
        there = [self._digests[place] for place in sorted(use.places) if place in self._digests]
        found = [digests_for(tag, each) for each in there]
        return [each for each in found if each] + [(each,) for each in sorted(use.held) if is_digest(each)]


def _ask_engines(places: Iterable[Place], now: datetime) -> dict[Place, list[str]]:
    """Ask each host once for the digests of these images, until the time is up; what was learned is kept."""
    by_host: dict[int, set[str]] = defaultdict(set)
    for host, image_id in places:
        by_host[host].add(image_id)
    deadline, found = time.monotonic() + MAX_ASKING, dict[Place, list[str]]()
    mirrored = digests_by_image(by_host) if by_host else {}
    for host in Host.all_objects.filter(pk__in=by_host, removed=None, lost_at=None).order_by("seen_at", "pk"):
        if time.monotonic() > deadline:
            break
        try:
            images = {each.id: list(each.digests) for each in driver_of(host).images()}
        except EngineError as error:
            log.info("the images of %s: %s", host, error)
            continue
        found |= {
            (host.pk, each): [*images.get(each, []), *mirrored.get((host.pk, each), [])] for each in by_host[host.pk]
        }
    rows = [HostImageDigests(host_id=key[0], image_id=key[1], digests=each, seen_at=now) for key, each in found.items()]
    HostImageDigests.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["host", "image_id"],
        update_fields=["digests", "seen_at"],
        batch_size=200,
    )
    return found
