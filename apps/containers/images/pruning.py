"""Which images may go from hosts, and why the others stay; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

Rule = Literal["dangling", "unused"]
RULES: tuple[Rule, ...] = ("dangling", "unused")
MAX_DAYS = 36_500


class PrunableImage(Protocol):
    """What is asked of an image to choose it: `user_count` containers were made from it."""

    @property
    def pk(self) -> int: ...
    @property
    def image_id(self) -> str: ...
    @property
    def host_id(self) -> int: ...
    @property
    def tag_list(self) -> list[str]: ...
    @property
    def size(self) -> int: ...
    @property
    def created(self) -> datetime | None: ...
    @property
    def user_count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """What a rule makes of images: those that go, how many are in use, and how many are needed though not in use."""

    going: tuple[PrunableImage, ...]
    used: int
    needed: int

    @property
    def size(self) -> int:
        """Bytes that become free at most: layers that other images share stay."""
        return sum(image.size for image in self.going)

    @property
    def fingerprint(self) -> str:
        """Another one whenever other images would go, so that nobody confirms what was not shown."""
        keys = sorted(f"{image.host_id}:{image.image_id}:{','.join(image.tag_list)}" for image in self.going)
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


def tagged(image: str) -> str:
    """An image's name as engines list it: with a tag, and without the registry that is meant anyway."""
    name = image.removeprefix("docker:").removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def names_needed(names: Iterable[str], needed: Collection[str]) -> list[str]:
    """Those of an image's names and digests that are `needed`, as `tagged` writes them."""
    return sorted({tagged(name) for name in names}.intersection(needed))


def choose(
    images: Iterable[PrunableImage],
    rule: Rule,
    *,
    needed: Collection[str] = (),
    is_own: Callable[[str], bool] = lambda _name: False,
    before: datetime | None = None,
) -> Choice:
    """The images that the rule removes.

    `dangling` takes those without a name, `unused` all that no container was made from. What the environment names in
    a container or service (`needed`, as `tagged` writes it) stays, as does what the portal itself puts on hosts
    (`is_own`), and what was made after `before`.
    """
    going, used, kept = [], 0, 0
    for image in images:
        if image.user_count:
            used += 1
        elif any(tagged(name) in needed or is_own(name) for name in image.tag_list):
            kept += 1
        elif (rule == "unused" or not image.tag_list) and (before is None or _is_before(image, before)):
            going.append(image)
    return Choice(tuple(going), used, kept)


def _is_before(image: PrunableImage, before: datetime) -> bool:
    return image.created is not None and image.created < before


def limit_of_age(now: datetime, days: int) -> datetime | None:
    """The time before which an image must have been made to be older than so many days; None for none."""
    return now - timedelta(days=min(days, MAX_DAYS)) if days > 0 else None
