"""Getting an image to a host: from a registry, or from another host of the environment that has it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from apps.containers.built_images import builder_of, send_built_image
from apps.containers.mirror_pulls import UNTAG, MirrorFailed, mirror_of, pull_from_mirror
from apps.containers.models import Container, Pull
from apps.containers.pull_attempts import PullAttempts
from apps.containers.pull_failures import BEFORE
from apps.containers.registry_logins import has_newer_login
from apps.control.reconcile import extend_lease
from apps.control.services import note_progress
from apps.core.events import row_changed
from apps.core.result import ReconcileResult
from apps.core.sizes import size_text
from apps.drivers.base import (
    EngineDown,
    EngineError,
    EngineImage,
    Stream,
)
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.vault.registries.addresses import domain_of_image, title_of
from apps.vault.registries.mirrors import Mirror
from apps.vault.registries.selectors import login_for_image

TRANSFER_LEASE = 130.0  # a lease for longer than an engine may take nothing of an archive
REPORT_EVERY = 0.5
_RETRY_WHILE_BUSY = 2.0
_RESTARTED = ReconcileResult(state="pulling", message="Started again.")


class _LeaseLost(Exception):
    """Another reconcile has taken over, or the generation moved: stop."""


def reconcile_pull(row: Pull) -> ReconcileResult:
    """Get the image there; engines keep the layers they have, so another attempt continues where it stopped.

    While containers of services wait for it, what failed is tried again, ever less often, as the same operation.
    """
    if (settled := _settled_result(row)) is not None:
        return settled
    attempts = PullAttempts.from_pull(row)
    if attempts.due and not is_needed(row):
        return attempts.given_up()
    # Requeued for nothing: it is over, or the next attempt is not due yet.
    if attempts.seconds_left != 0 and not has_newer_login(row, attempts):
        return ReconcileResult(state="error", message=row.message, failed=True, requeue_after=attempts.seconds_left)
    try:
        result = (
            _copy_from_host(row, row.source, "") if row.source and not attempts.failed else _pull_from_registry(row)
        )
        return attempts.record_outcome(result, will_retry=is_needed(row), image=row.image)
    except _LeaseLost:
        return _RESTARTED
    except EngineDown as error:
        return ReconcileResult(state="pulling", message=str(error), fields={"sender": None})


def _settled_result(row: Pull) -> ReconcileResult | None:
    """The result of one that nothing is left to do for: it was cancelled, or is there and was requeued for nothing."""
    if row.desired == "cancelled":
        ended = {"ended": timezone.now(), "sender": None}
        return ReconcileResult(state="error", message="Cancelled.", fields=ended)
    if row.state == "pulled" and row.observed_generation == row.generation:  # ask no registry
        return ReconcileResult(state="pulled", message=row.message)
    return None


def is_needed(row: Pull) -> bool:
    """Whether a container that is kept alive needs this image on this host."""
    waiting = Container.all_objects.filter(
        host=row.host_id, image=row.image, removed=None, state="creating", keep_running=True
    )
    return bool(waiting.exists())


def _pull_from_registry(row: Pull) -> ReconcileResult:
    """Pull from the registry, its mirror first; if neither has the image, from another host of the environment.

    What this portal builds itself is not asked of a registry first: a name that none knows takes up to 20 seconds.
    """
    mirror_failure = ""
    try:
        if builder_of(row.image) is not None:
            _report_progress(row, 10, f"Building {row.image}")
            if not send_built_image(driver_of(row.host), row.image):
                return _pulled_result()
        if (mirror := mirror_of(row)) is not None:
            mirror_failure = _try_mirror(row, mirror)
            if not mirror_failure:
                return _pulled_result(f"Pulled from the mirror {mirror.address}.")
        _pull(row)
    except EngineDown:
        raise
    except EngineError as error:
        reason = f"{row.image} could not be pulled: {error}{mirror_failure and BEFORE + mirror_failure}"
        # An archive does not say for which platform it is: what came might be for another one, again and again.
        others = () if row.platform else _other_hosts(row)
        holder = next((host for host in others if _find_image_on(host, row.image)), None)
        return _copy_from_host(row, holder, reason) if holder else _failed_result(reason)
    if not mirror_failure:
        return _pulled_result()
    origin = title_of(domain_of_image(row.image))
    return _pulled_result(f"Pulled from {origin}: {mirror_failure}", mirror_failed=True)


def _try_mirror(row: Pull, mirror: Mirror) -> str:
    """Pull from the mirror; why that failed, empty when the image is there. Raises `EngineDown`."""

    def report(percent: int, text: str, untag: str) -> None:
        _report_progress(row, percent, text, **({UNTAG: untag} if untag else {}))

    try:
        pull_from_mirror(row, mirror, driver_of(row.host), report)
    except MirrorFailed as error:
        failure = f"the mirror {mirror.address} failed: {error}"
        origin = title_of(domain_of_image(row.image))
        _note_progress(row, f"{failure[0].upper()}{failure[1:]} {row.image} is pulled from {origin} instead.")
        return failure
    _note_progress(row, f"{row.image} came from the mirror {mirror.address}")
    return ""


def _pull(row: Pull) -> None:
    """Have the host's engine pull it; the engine is given the account for this one call, and keeps nothing of it.

    Raises `EngineError`, in whose words the password is blanked.
    """
    login = login_for_image(row.environment_id, row.image)
    redact = login.redact if login else str
    try:
        auth = login.auth if login else None
        for progress in driver_of(row.host).pull(row.image, auth, platform=row.platform):
            _report_progress(row, progress.percent, redact(progress.text))
    except EngineError as error:
        raise type(error)(redact(str(error))) from None


def _report_progress(row: Pull, percent: int, text: str, sender: str = "", **more: str) -> None:
    """Renew the lease and report progress; `more` goes into the status. Raises `_LeaseLost`."""
    if not (extend_lease(row, TRANSFER_LEASE) if sender else extend_lease(row)):
        raise _LeaseLost
    status = {**PullAttempts.from_pull(row).status, "percent": percent, **more} | ({"from": sender} if sender else {})
    reported = {"state": "pulling", "status": status, "message": text, "observed_at": timezone.now()}
    Pull.all_objects.filter(pk=row.pk).update(**reported)
    row_changed(row.environment_id, "pull", row.pk)


def _pulled_result(message: str = "", **more: bool) -> ReconcileResult:
    ended = {"ended": timezone.now(), "sender": None}
    return ReconcileResult(state="pulled", message=message, status={"percent": 100, **more}, fields=ended)


def _failed_result(reason: str) -> ReconcileResult:
    ended = {"ended": timezone.now(), "sender": None}
    return ReconcileResult(state="error", message=reason, failed=True, fields=ended)


def _other_hosts(row: Pull) -> Iterator[Host]:
    """The other hosts of the environment that can be asked now; never those of another environment."""
    hosts = Host.all_objects.filter(environment=row.environment_id, removed=None, state__in=("active", "inactive"))
    yield from hosts.exclude(pk=row.host_id).order_by("pk")


def _find_image_on(host: Host, image: str) -> EngineImage | None:
    try:
        return driver_of(host).find_image(image)
    except EngineError:
        return None


def _copy_from_host(row: Pull, holder: Host, reason: str) -> ReconcileResult:
    """Have the holder send the image, once it sends to nobody else; `reason` is what the registry said, if asked."""
    if holder.environment_id != row.environment_id:
        return _failed_result(f"{holder} is not in this environment.")
    found = _find_image_on(holder, row.image)
    if found is None:
        return _failed_result(reason or f"{holder} does not have {row.image}.")
    current = _claim_sender(row, holder)
    if current is not None:
        text = f"Waiting: {holder} is sending {current.image} to {current.host}."
        return ReconcileResult(state="pulling", message=text, requeue_after=_RETRY_WHILE_BUSY)
    _note_progress(row, f"Copying {row.image} from {holder} to {row.host} ({size_text(found.size)})")
    try:
        _transfer(row, holder, found.size)
    except EngineDown:
        raise
    except EngineError as error:
        return _failed_result(f"{row.image} could not be copied from {holder} to {row.host}: {error}")
    _note_progress(row, f"{row.image} is on {row.host}")
    return _pulled_result()


def _claim_sender(row: Pull, holder: Host) -> Pull | None:
    """Take the holder's one turn; the pull that has it if another has."""
    with transaction.atomic():
        Host.all_objects.select_for_update(no_key=True).get(pk=holder.pk)
        sending = Pull.all_objects.filter(sender=holder, lease_until__gt=timezone.now()).exclude(lease="")
        current: Pull | None = sending.exclude(pk=row.pk).select_related("host").first()
        if current is None:
            Pull.all_objects.filter(pk=row.pk).update(sender=holder)
        return current


def _transfer(row: Pull, holder: Host, size: int) -> None:
    archive = driver_of(holder).save(row.image)
    try:
        driver_of(row.host).load(_with_progress(row, archive, size, str(holder)))
    finally:
        archive.close()


def _with_progress(row: Pull, archive: Stream[bytes], size: int, sender: str) -> Iterator[bytes]:
    """The pieces as they come, while the lease is renewed and progress reported."""
    sent, reported = 0, 0.0
    for piece in archive:
        if time.monotonic() - reported >= REPORT_EVERY:
            _report_progress(row, min(99, sent * 100 // max(size, 1)), f"{size_text(sent)} sent by {sender}", sender)
            reported = time.monotonic()
        yield piece
        sent += len(piece)


def _note_progress(row: Pull, text: str) -> None:
    """A note for whoever watches the pull, or a container that waits for it."""
    note_progress(row, text)
    for container in Container.all_objects.filter(host=row.host_id, image=row.image, removed=None, state="creating"):
        note_progress(container, text)
