"""Which registries an environment's containers have their images from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import Count

from apps.containers.selectors import containers_of
from apps.environments.actor import Actor
from apps.vault.registries.addresses import domain_of_image, title_of

MAX_IMAGES = 2000


@dataclass
class RegistryUse:
    """The images of one registry, the most used first, and how many containers are made from them."""

    domain: str
    images: list[str] = field(default_factory=list)
    containers: int = 0

    @property
    def title(self) -> str:
        """The registry as people call it."""
        return title_of(self.domain)


def registry_use(actor: Actor, environment_id: int) -> dict[str, RegistryUse]:
    """The registries in use, by domain; one query."""
    rows = containers_of(actor, environment_id).order_by().values_list("image").annotate(count=Count("pk"))
    found: dict[str, RegistryUse] = {}
    grouped: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for image, count in rows.order_by("-count", "image")[:MAX_IMAGES]:
        grouped[domain_of_image(image)].append((image, count))
    for domain, images in grouped.items():
        found[domain] = RegistryUse(domain, [image for image, _count in images], sum(count for _image, count in images))
    return found
