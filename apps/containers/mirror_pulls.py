"""Pulling an image from the mirror of its registry, and giving it the name that was asked for.

Each step can be made again: a reconcile that was killed half-way leaves at most the mirror's name behind, which the
row's status says is ours, and the next one takes it away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.utils import timezone

from apps.containers.built_images import is_own_name
from apps.containers.models import Container, MirroredImage, Pull
from apps.containers.pull_failures import OTHER, classify_pull_failure
from apps.drivers.base import Driver, EngineDown, EngineError, EngineImage, EngineTimeout
from apps.vault.registries.mirrors import Mirror, mirrored_name
from apps.vault.registries.selectors import mirror_for_image

MIRROR_SILENCE = 60.0
"""Seconds without any progress after which a mirror is given up; shorter than the lease of a reconcile."""
UNTAG = "untag"
"""In the status of a pull: the mirror's name of the image, which the engine did not have before."""
_MAX_WORDS = 500
_MAX_PRUNED = 500
_SETTLED = timedelta(minutes=10)  # a listing of images may be older than a pull that has just ended

log = logging.getLogger(__name__)


class MirrorFailed(Exception):
    """The image did not come from the mirror; `str()` says why, without passwords."""


def mirror_of(row: Pull) -> Mirror | None:
    """The mirror that the image is pulled from first, None without one.

    The portal's own images, from which containers with rights on their host are made, come through mirrors that an
    administrator chose, and no others.
    """
    found = mirror_for_image(row.environment_id, row.image)
    if found is None or not mirrored_name(found.address, row.image):
        return None
    return found if found.is_lent or not is_own_name(row.image) else None


def pull_from_mirror(row: Pull, mirror: Mirror, engine: Driver, report: Callable[[int, str, str], None]) -> None:
    """Pull it there, give it the name that was asked for, and take the mirror's name away again.

    `report` is called with percent, text, and the name that is to be taken away, empty where that was there before.
    One that was asked for by its digest keeps the mirror's name with that digest: engines give no such name again.
    Raises `MirrorFailed`, and `EngineDown` where it is the engine that is away.
    """
    name = mirrored_name(mirror.address, row.image)
    untag = "" if "@" in name or _is_wanted(row, engine, name) else name
    auth = mirror.login.auth if mirror.login else None
    try:
        for progress in engine.pull(name, auth, platform=row.platform, idle_timeout=MIRROR_SILENCE):
            report(progress.percent, _redact(mirror, progress.text), untag)
        _take_over(row, engine, name)
    except EngineError as error:
        if isinstance(error, EngineDown):
            engine.find_image(row.image)  # raises `EngineDown` where it is the engine that is away
        _remove_name(engine, untag)
        raise MirrorFailed(_words_of(mirror, name, error)) from None
    _remove_name(engine, untag)


def _is_wanted(row: Pull, engine: Driver, name: str) -> bool:
    """Whether the mirror's name is there for somebody else, and not from a pull of ours that was broken off."""
    if (row.status or {}).get(UNTAG) == name:
        return False
    used = Container.all_objects.filter(host=row.host_id, image=name, removed=None)
    pulled = Pull.all_objects.filter(host=row.host_id, image=name)
    return bool(used.exists() or pulled.exists() or engine.find_image(name) is not None)


def _take_over(row: Pull, engine: Driver, name: str) -> None:
    """Name the image as it was asked for, and keep by which digests its registry knows it. Raises `EngineError`."""
    found = engine.find_image(name)
    if found is None:
        raise EngineError(f"The engine does not have {name} after it pulled it.")
    asked, _at, digest = row.image.partition("@")
    digests = _digests_of(found, name)
    if digest and digest not in digests:
        raise EngineError(f"What came is not {digest}.")
    if not digest:
        engine.tag_image(found.id, row.image)
    for each in [digest] if digest else digests:
        MirroredImage.objects.update_or_create(
            host_id=row.host_id,
            image_id=found.id[:128],
            digest_name=f"{_repository(asked)}@{each}",
            defaults={"reference": name if digest else "", "created": timezone.now()},
        )


def _digests_of(found: EngineImage, name: str) -> list[str]:
    """By which digests the engine has it from the mirror."""
    pairs = [each.partition("@") for each in found.digests]
    return [digest for repository, _at, digest in pairs if _plain(repository) == _plain(_repository(name))]


def _repository(image: str) -> str:
    """An image's name without tag and digest."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def _plain(repository: str) -> str:
    """As engines write it."""
    return repository.removeprefix("docker.io/").removeprefix("library/")


def _remove_name(engine: Driver, name: str) -> None:
    """Take the mirror's name away; one that the engine keeps harms nobody. Raises `EngineDown`."""
    try:
        if name:
            engine.remove_image(name)
    except EngineDown:
        raise
    except EngineError as error:
        log.info("the name %s stays: %s", name, error)


def _redact(mirror: Mirror, text: str) -> str:
    return mirror.login.redact(text) if mirror.login else text


def _words_of(mirror: Mirror, name: str, error: EngineError) -> str:
    """Why the mirror failed, for people: what it means and what helps, then what the engine said."""
    said = _redact(mirror, str(error))[:_MAX_WORDS]
    if isinstance(error, EngineTimeout):
        return f"it did not answer within {MIRROR_SILENCE:.0f} seconds."
    failure = classify_pull_failure(said, name)
    if failure is OTHER:
        return said
    remedy = f" {failure.remedy}" if failure.needs_credential else ""
    return f"{failure.cause}{remedy} (The engine said: {said})"


def engine_reference(host_id: int | None, image: str) -> str:
    """What the engine of a host knows an image as that was asked for by its digest: its name, unless a mirror gave it.

    One query for such an image, none for others.
    """
    name, at, digest = image.partition("@")
    if not at:
        return image
    rows = MirroredImage.objects.filter(host=host_id, digest_name=f"{_repository(name)}@{digest}")
    found = rows.exclude(reference="").order_by("-created").values_list("reference", flat=True).first()
    return found or image


def prune_mirrored_images(host_id: int, present: Iterable[str]) -> None:
    """Remove the rows of images that are not on the host any more; not of what came just now."""
    there = set(present)
    old = MirroredImage.objects.filter(host=host_id, created__lt=timezone.now() - _SETTLED)
    gone = [key for key, image_id in old.values_list("pk", "image_id") if image_id not in there]
    if gone:
        MirroredImage.objects.filter(pk__in=gone[:_MAX_PRUNED]).delete()


def digests_by_image(host_ids: Iterable[int]) -> dict[tuple[int, str], list[str]]:
    """The digests that mirrors gave, by host and the engine's id of the image; one query."""
    found: dict[tuple[int, str], list[str]] = {}
    rows = MirroredImage.objects.filter(host__in=set(host_ids)).order_by("pk")
    for host, image_id, name in rows.values_list("host", "image_id", "digest_name"):
        found.setdefault((host, image_id), []).append(name)
    return found
