"""Containers that wait for the pull of their image."""

from __future__ import annotations

from collections.abc import Iterable

from apps.containers.launch.kind_labels import is_always_pulled
from apps.containers.models import Container, Pull
from apps.containers.pull_attempts import PullAttempts
from apps.containers.pull_failures import classify_pull_failure
from apps.containers.services import pull_again, pull_ensure
from apps.core.result import ReconcileResult
from apps.drivers.base import ImageMissing
from apps.hosts.models import Host


def require_fresh_image(row: Container) -> None:
    """Of one that is always pulled: raise `ImageMissing` until its image was pulled after it was requested.

    Ten containers of a batch share one pull; one that is made again on its host later keeps the image that it had.
    """
    if is_always_pulled(row.config):
        platform = row.config.platform or ""
        rows = Pull.all_objects.filter(host=row.host, image=row.image, platform=platform)
        pulls = rows.filter(state="pulled", ended__gte=row.created)
        if not pulls.exists():
            raise ImageMissing(f"{row.image} is pulled for each new container.")


def await_pull(row: Container, host: Host) -> ReconcileResult:
    """The image is not on the host: wait for its pull, and fail with the pull's message."""
    pull = pull_ensure(row, host, row.config.image)
    placed = {"host": host}
    if pull.display_state == "error" and _has_current_failure(row, pull):
        attempts = PullAttempts.from_pull(pull)
        reason = attempts.reason or pull.message
        failure = classify_pull_failure(reason, pull.image)
        status = {**row.status, "pull_failed": failure.kind}
        if row.keep_running:
            pull_again(pull) if pull.next_attempt_at is None else None  # it is not trying by itself: nobody waited then
            return ReconcileResult(
                state="creating",
                message=failure.summary(reason),
                status=status,
                failed=True,
                fields=placed,
                requeue_after=15.0,
            )
        return ReconcileResult(state="error", message=reason, status=status, failed=True, fields=placed)
    pull_again(pull)
    percent, sender = pull.status.get("percent"), pull.status.get("from")
    text = f"Copying {pull.image} from {sender}" if sender else f"Pulling {pull.image}"
    text += f": {percent} %" if percent is not None else ""
    status = {key: value for key, value in row.status.items() if key != "pull_failed"}
    return ReconcileResult(
        state="creating", status=status, message=text, fields=placed, requeue_after=5.0, progress=percent
    )


def _has_current_failure(row: Container, pull: Pull) -> bool:
    """Whether the pull failed after this container was requested; one requested since then starts a new pull itself."""
    return bool(pull.ended and pull.ended > row.created and (row.attempts or row.generation == 1))


def containers_awaiting_pull(row: Pull) -> Iterable[tuple[str, int]]:
    """The containers that wait for this pull."""
    waiting = Container.all_objects.filter(host=row.host_id, image=row.image, removed=None, state="creating")
    return [("container", key) for key in waiting.values_list("pk", flat=True)]
