"""Getting an image to a host: from a registry, or from another host of the environment that has it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from apps.containers.models import Container, Pull
from apps.containers.retries import Tries
from apps.control.reconcile import extend
from apps.control.services import note
from apps.core.events import changed
from apps.core.result import Result
from apps.drivers.base import EngineDown, EngineError, ImageSeen, Stream
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

HOLD = 130.0  # a lease for longer than an engine may take nothing of an archive
TELL_EVERY = 0.5
_WAIT = 2.0
_BEGUN_ANEW = Result(state="pulling", message="Begun anew.")


class _Lost(Exception):
    """Another look has taken over, or the wish moved: stop."""


def settle_pull(row: Pull) -> Result:
    """Get the image there; engines keep the layers they have, so that a repetition goes on where it was.

    While containers of services wait for it, what failed is tried again, ever less often, as the same operation.
    """
    tries = Tries.of(row)
    if tries.due and not is_waited_for(row):
        return tries.given_up()
    if tries.left != 0:  # a wake-up too many: it is over, or the next try is not due yet
        return Result(state="error", message=row.message, failed=True, again_in=tries.left)
    try:
        result = _send(row, row.source, "") if row.source and not tries.failed else _pull(row)
        return tries.counting(result, going_on=is_waited_for(row))
    except _Lost:
        return _BEGUN_ANEW
    except EngineDown as error:
        return Result(state="pulling", message=str(error), fields={"sender": None})


def is_waited_for(row: Pull) -> bool:
    """Whether a container that is kept alive needs this image on this host."""
    waiting = Container.all_objects.filter(host=row.host_id, image=row.image, removed=None, state="creating", kept=True)
    return bool(waiting.exists())


def _pull(row: Pull) -> Result:
    """Ask the registry; where it has none, the other hosts of the environment."""
    try:
        for progress in driver_of(row.host).pull(row.image):
            _tell(row, progress.percent, progress.text)
    except EngineDown:
        raise
    except EngineError as error:
        why = f"{row.image} could not be pulled: {error}"
        holder = next((host for host in _neighbours(row) if _seen_on(host, row.image)), None)
        return _send(row, holder, why) if holder else _failed(why)
    return _arrived()


def _tell(row: Pull, percent: int, text: str, sender: str = "") -> None:
    """Keep the lease and say how far it is. Raises `_Lost`."""
    if not (extend(row, HOLD) if sender else extend(row)):
        raise _Lost
    status = {**Tries.of(row).status, "percent": percent} | ({"from": sender} if sender else {})
    told = {"state": "pulling", "status": status, "message": text, "observed_at": timezone.now()}
    Pull.all_objects.filter(pk=row.pk).update(**told)
    changed(row.environment_id, "pull", row.pk)


def _arrived() -> Result:
    return Result(state="pulled", status={"percent": 100}, fields={"ended": timezone.now(), "sender": None})


def _failed(why: str) -> Result:
    ended = {"ended": timezone.now(), "sender": None}
    return Result(state="error", message=why, failed=True, fields=ended)


def _neighbours(row: Pull) -> Iterator[Host]:
    """The other hosts of the environment that can be asked now; never those of another environment."""
    hosts = Host.all_objects.filter(environment=row.environment_id, removed=None, state__in=("active", "inactive"))
    yield from hosts.exclude(pk=row.host_id).order_by("pk")


def _seen_on(host: Host, image: str) -> ImageSeen | None:
    try:
        return driver_of(host).find_image(image)
    except EngineError:
        return None


def _send(row: Pull, holder: Host, why: str) -> Result:
    """Have the holder send the image, once it sends to nobody else; `why` is what the registry said, if asked."""
    if holder.environment_id != row.environment_id:
        return _failed(f"{holder} is not in this environment.")
    found = _seen_on(holder, row.image)
    if found is None:
        return _failed(why or f"{holder} does not have {row.image}.")
    busy = _claim(row, holder)
    if busy is not None:
        text = f"Waiting: {holder} is sending {busy.image} to {busy.host}."
        return Result(state="pulling", message=text, again_in=_WAIT)
    _say(row, f"Copying {row.image} from {holder} to {row.host} ({found.size // 1_000_000} MB)")
    try:
        _copy(row, holder, found.size)
    except EngineDown:
        raise
    except EngineError as error:
        return _failed(f"{row.image} could not be copied from {holder} to {row.host}: {error}")
    _say(row, f"{row.image} is on {row.host}")
    return _arrived()


def _claim(row: Pull, holder: Host) -> Pull | None:
    """Take the holder's one turn; the pull that has it if another has."""
    with transaction.atomic():
        Host.all_objects.select_for_update().get(pk=holder.pk)
        sending = Pull.all_objects.filter(sender=holder, lease_until__gt=timezone.now()).exclude(lease="")
        busy: Pull | None = sending.exclude(pk=row.pk).select_related("host").first()
        if busy is None:
            Pull.all_objects.filter(pk=row.pk).update(sender=holder)
        return busy


def _copy(row: Pull, holder: Host, size: int) -> None:
    archive = driver_of(holder).save(row.image)
    try:
        driver_of(row.host).load(_counted(row, archive, size, str(holder)))
    finally:
        archive.close()


def _counted(row: Pull, archive: Stream[bytes], size: int, sender: str) -> Iterator[bytes]:
    """The pieces as they come; the lease is kept and progress told meanwhile."""
    sent, told = 0, 0.0
    for piece in archive:
        if time.monotonic() - told >= TELL_EVERY:
            _tell(row, min(99, sent * 100 // max(size, 1)), f"{sent // 1_000_000} MB sent by {sender}", sender)
            told = time.monotonic()
        yield piece
        sent += len(piece)


def _say(row: Pull, text: str) -> None:
    """A line for whoever watches the pull, or a container that waits for it."""
    note(row, text)
    for container in Container.all_objects.filter(host=row.host_id, image=row.image, removed=None, state="creating"):
        note(container, text)
