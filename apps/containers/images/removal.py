"""Removing images from a host, one after the other, while who asked for it sees how far that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.utils import timezone

from apps.containers.images.inventory import take_inventory
from apps.containers.images.pruning import names_needed, tagged
from apps.containers.images.selectors import needed_images
from apps.containers.models import ImageRemoval
from apps.control.reconcile import extend_lease
from apps.core.events import row_changed
from apps.core.plurals import counted
from apps.core.result import ReconcileResult
from apps.drivers.base import Driver, EngineDown, EngineError, EngineImage, EngineNotFound
from apps.hosts.selectors import driver_of

REMOVAL_DEADLINE = 1800.0
STOPPED = frozenset({"created", "exited", "dead"})
"""States of containers whose images `force` takes."""
_MAX_REASON = 300
_MAX_NAMED = 10


def reconcile_removal(row: ImageRemoval) -> ReconcileResult:
    """Remove what is left of the list; one that was broken off goes on where it stopped."""
    if row.desired == "removed":
        return ReconcileResult(state="removed", message=row.message, fields={"ended": row.ended or timezone.now()})
    if row.ended is not None:  # requeued for nothing
        return ReconcileResult(state=row.state, message=row.message, failed=row.state == "error")
    status = {"percent": 0, "removed": [], "kept": [], "untagged": [], "names": [], "freed": 0, **(row.status or {})}
    done = {*status["removed"], *(each["id"] for each in (*status["kept"], *status["untagged"]))}
    try:
        engine = driver_of(row.host)
        for image in row.images:
            if image["id"] in done:
                continue
            if not _report(row, status):
                return ReconcileResult(state="removing", status=status, message="Started again.")
            _remove(engine, row, image, status)
            ended = sum(len(status[outcome]) for outcome in ("removed", "kept", "untagged"))
            status["percent"] = 100 * ended // max(1, len(row.images))
    except EngineDown as error:
        return ReconcileResult(state="removing", status=status, message=str(error))
    with suppress(EngineError):  # the next scan lists what is left
        take_inventory(row.host)
    return _ended_result(status)


def _report(row: ImageRemoval, status: Mapping[str, Any]) -> bool:
    """Renew the lease and show the progress; False when somebody cancelled, or took over."""
    if not extend_lease(row):
        return False
    text = f"{len(status['removed'])} of {counted(len(row.images), 'image')} removed"
    ImageRemoval.all_objects.filter(pk=row.pk).update(status=dict(status), state="removing", message=text)
    row_changed(row.environment_id, row.KIND, row.pk)
    return True


def _remove(engine: Driver, row: ImageRemoval, image: Mapping[str, Any], status: dict[str, Any]) -> None:
    """Remove one image, or the one name that is asked for, and note what became of it. Raises `EngineDown`.

    A name that belongs to another image by now is left alone.
    """
    gone: list[str] = []
    try:
        found = engine.find_image(image["id"])
        if found is not None and (reason := _reason_to_keep(engine, row, image, found)):
            _keep(status, image, reason)
            return
        acted = found is None or _remove_names(engine, image, gone, force=row.force)
        left = engine.find_image(image["id"])
    except EngineDown:
        status["names"] = [*status["names"], *gone]
        raise
    except EngineError as error:
        lost = _put_back(engine, image["id"], gone)
        status["names"] = [*status["names"], *lost]
        _keep(status, image, f"{error}; without the names {', '.join(lost)}" if lost else str(error))
        return
    status["names"] = [*status["names"], *gone]
    if left is not None and not acted:
        _keep(status, image, "the name that was shown is not its name any more")
        return
    if left is not None and left.tags:
        status["untagged"] = [*status["untagged"], {"id": image["id"], "names": gone, "left": list(left.tags)}]
        return
    status["removed"] = [*status["removed"], image["id"]]
    status["freed"] += 0 if left is not None else image["size"]


def _reason_to_keep(engine: Driver, row: ImageRemoval, image: Mapping[str, Any], found: EngineImage) -> str:
    """Why nothing of the image may go, "" if it may: looked up just now, as a container may have come since.

    A name of several is held by what was made from that name; an image by what was made from it under any.
    """
    only = image.get("only", "")
    users = [each for each in engine.containers() if each.image_id == found.id]
    if only and set(found.tags) - {only}:
        names = [only]
        users = [each for each in users if tagged(each.image) == tagged(only)]
    else:
        names = [*found.tags, *found.digests]
    if running := next((each for each in users if each.state not in STOPPED), None):
        return f"the running container {running.name} was made from it; that cannot be forced"
    if row.force:
        return ""
    if users:
        return f"the stopped container {users[0].name} was made from it"
    if needed := names_needed(names, needed_images(row.environment_id)):
        return f"a container or service of the environment names {needed[0]}"
    return ""


def _keep(status: dict[str, Any], image: Mapping[str, Any], reason: str) -> None:
    label = image.get("only") or next(iter(image["names"]), image["id"])
    status["kept"] = [*status["kept"], {"id": image["id"], "name": label, "reason": reason[:_MAX_REASON]}]


def _remove_names(engine: Driver, image: Mapping[str, Any], gone: list[str], *, force: bool) -> bool:
    """Remove the names, and what has none; whether there was anything to remove.

    Adds to `gone` as it goes on, so that a failure shows how far it came.
    """
    for name in [image["only"]] if image.get("only") else image["names"]:
        found = engine.find_image(name)
        if found is not None and found.id == image["id"]:
            with suppress(EngineNotFound):  # somebody else was faster
                engine.remove_image(name, force=force)
            gone.append(name)
    if gone or image.get("only"):
        return bool(gone)
    left = engine.find_image(image["id"])
    if left is not None and left.tags:  # one that got a name meanwhile is wanted
        return False
    with suppress(EngineNotFound):
        engine.remove_image(image["id"], force=force)
    return True


def _put_back(engine: Driver, image_id: str, names: Sequence[str]) -> list[str]:
    """Give an image that stays its names again; those that it lost all the same."""
    lost = []
    for name in names:
        try:
            found = engine.find_image(name)
            if found is None:
                engine.tag_image(image_id, name)
            elif found.id != image_id:  # it means another image by now
                lost.append(name)
        except EngineError:
            lost.append(name)
    return lost


def _ended_result(status: dict[str, Any]) -> ReconcileResult:
    kept = status["kept"]
    notes = tuple(f"{each['name']} stays: {each['reason']}" for each in kept[:50])
    ended = {"ended": timezone.now(), "removed": timezone.now()}
    status["percent"] = 100
    if kept and not status["removed"] and not status["untagged"]:
        message = notes[0] if len(kept) == 1 else f"All {len(kept)} images stay. {notes[0]}"
        return ReconcileResult(
            state="error", status=status, message=message, failed=True, fields=ended, notes=notes, progress=100
        )
    message = " ".join(_sentences(status))
    return ReconcileResult(state="finished", status=status, message=message, fields=ended, notes=notes)


def _sentences(status: Mapping[str, Any]) -> list[str]:
    """What was removed, what stays under other names, and how many images stay whole."""
    names, kept, untagged = status["names"], status["kept"], status["untagged"]
    more = len(names) - _MAX_NAMED
    listed = ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    found = [f"Removed {listed}."] if names else []
    found += [f"The image stays as {', '.join(each['left'][:_MAX_NAMED])}." for each in untagged[:_MAX_NAMED]]
    if not kept:
        return found
    count = counted(len(kept) + len(status["removed"]) + len(untagged), "image")
    return [*found, f"{len(kept)} of {count} {'stays' if len(kept) == 1 else 'stay'}."]
