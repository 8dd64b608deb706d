"""Builds in the loop: the context is fetched or waited for, the engine builds, and what it says is kept."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.builds.build_log import BuildLogWriter
from apps.builds.context_files import read_context, remove_context
from apps.builds.git_context import fetch_context
from apps.builds.models import GIT, BuildLogPart, ImageBuild
from apps.catalog.git import FETCH_SECONDS, READ_SECONDS, GitCredential
from apps.catalog.source import SourceError
from apps.containers.images.services import list_again
from apps.control.reconcile import extend_lease
from apps.core.defaults import setting_int
from apps.core.events import row_changed
from apps.core.result import ReconcileResult
from apps.drivers.base import EngineDown, EngineError
from apps.drivers.image_builds import BuildOutput, BuildRequest, BuildStream
from apps.environments.models import Environment
from apps.hosts.selectors import driver_of
from apps.vault.registries.logins import RegistryLogin
from apps.vault.registries.selectors import logins_of

BUILD_DEADLINE = 6 * 3600.0
WAIT_FOR_CONTEXT = timedelta(hours=1)
MAX_ATTEMPTS = 3
MAX_AT_ONCE = 3
"""Builds of one environment: each holds a worker for as long as it takes."""
LABEL = "io.corral.build"
_HEARTBEAT = 1.0
_RETRY_WHILE_BUSY = 2.0
_MAX_WAITING = 1000  # pieces of output: an engine that says more than is written waits
_MAX_PULL_REASON = 2000


class _Stopped(Exception):
    """Somebody cancelled, or another worker has taken over."""


def reconcile_build(row: ImageBuild) -> ReconcileResult:
    """Bring a build to its end. One whose worker was killed is begun again; the engine has the steps that were done."""
    if (settled := _settled_result(row)) is not None:
        return settled
    if not _claim_turn(row):
        text = f"Waiting: {MAX_AT_ONCE} builds are under way in this environment."
        return ReconcileResult(state="waiting", message=text, requeue_after=_RETRY_WHILE_BUSY)
    attempts = int(row.status.get("attempts", 0)) + 1
    if attempts > MAX_ATTEMPTS:
        return _failed_result(row, f"It was begun {MAX_ATTEMPTS} times and broke off: {row.message or 'no reason'}")
    row.status = {**row.status, "attempts": attempts}
    ImageBuild.all_objects.filter(pk=row.pk).update(status=row.status)
    return _attempt(row)


def _settled_result(row: ImageBuild) -> ReconcileResult | None:
    """The result of one that nothing is to be done for now: it is stopped, has ended, or waits for its context."""
    if row.desired in {"cancelled", "removed"}:
        return _stopped_result(row)
    if row.ended is not None:
        return _kept_result(row)
    if row.host.removed is not None:
        return _failed_result(row, f"{row.host} was removed.")
    return _waiting_result(row) if row.source != GIT and row.context_size is None else None


def _attempt(row: ImageBuild) -> ReconcileResult:
    logins = logins_of(row.environment_id)
    log = BuildLogWriter(row, _redactor(logins), int(row.status.get("log", 0)))
    try:
        if row.status["attempts"] > 1:
            log.add("\nThe build was broken off, and begins again.\n")
        fields = _fetch(row, log) if row.source == GIT else {}
        return _build(row, log, logins, fields)
    except _Stopped:
        return ReconcileResult(state="building", status=row.status, message="Stopped.")
    except SourceError as error:
        return _failed_result(row, str(error), log)
    except EngineDown as error:
        log.add(f"\n{error}\n")
        log.end()
        return ReconcileResult(state="building", status={**row.status, "log": log.written}, message=str(error))
    except EngineError as error:
        return _failed_result(row, _redactor(logins)(str(error))[:_MAX_PULL_REASON], log)


def _claim_turn(row: ImageBuild) -> bool:
    """Whether it may go on now; it counts as under way then, for as long as it has its lease."""
    with transaction.atomic():
        Environment.all_objects.select_for_update(no_key=True).get(pk=row.environment_id)
        others = ImageBuild.all_objects.filter(
            environment=row.environment_id, state="building", ended=None, lease_until__gt=timezone.now()
        )
        if others.exclude(pk=row.pk).exclude(lease="").count() >= MAX_AT_ONCE:
            return False
        ImageBuild.all_objects.filter(pk=row.pk).update(state="building")
        return True


def _redactor(logins: list[RegistryLogin]) -> Any:
    def redact(text: str) -> str:
        for login in logins:
            text = login.redact(text)
        return text

    return redact


def _stopped_result(row: ImageBuild) -> ReconcileResult:
    remove_context(row.uuid)
    ended = {"ended": row.ended or timezone.now(), "secret": "", "context_size": None}
    if row.desired == "cancelled":
        return ReconcileResult(state="error", message="Cancelled.", fields=ended, requeue_after=_seconds_kept(row))
    BuildLogPart.all_objects.filter(build=row).delete()
    return ReconcileResult(state="removed", message=row.message, fields={**ended, "arguments": {}})


def _seconds_kept(row: ImageBuild) -> float:
    """How long the build and its log stay on the pages, as finished operations do."""
    kept = timedelta(days=setting_int("retention.operations.days"))
    left = kept if row.ended is None else row.ended + kept - timezone.now()
    return max(0.0, left.total_seconds())


def _kept_result(row: ImageBuild) -> ReconcileResult:
    """One that has ended: it goes with its log when its time is over."""
    if _seconds_kept(row) <= 0:
        return _removed_result(row)
    return ReconcileResult(
        state=row.state, message=row.message, failed=row.state == "error", requeue_after=_seconds_kept(row)
    )


def _removed_result(row: ImageBuild) -> ReconcileResult:
    remove_context(row.uuid)
    BuildLogPart.all_objects.filter(build=row).delete()
    return ReconcileResult(state="removed", message=row.message, fields={"arguments": {}, "removed": timezone.now()})


def _waiting_result(row: ImageBuild) -> ReconcileResult:
    left = (row.created + WAIT_FOR_CONTEXT - timezone.now()).total_seconds()
    if left <= 0:
        return _failed_result(row, "No context was sent within an hour: begin it again.")
    return ReconcileResult(state="waiting", message="Waiting for the context.", requeue_after=left)


def _failed_result(row: ImageBuild, reason: str, log: BuildLogWriter | None = None) -> ReconcileResult:
    if log is not None:
        log.add(f"\n{reason}\n")
        log.end()
    remove_context(row.uuid)
    fields = {"ended": timezone.now(), "secret": "", "context_size": None}
    return ReconcileResult(
        state="error",
        status={**row.status, **({"log": log.written} if log else {})},
        message=reason,
        failed=True,
        fields=fields,
        requeue_after=_seconds_kept(row),
    )


def _fetch(row: ImageBuild, log: BuildLogWriter) -> dict[str, Any]:
    """Get the context out of the repository. Raises `SourceError`."""
    if not extend_lease(row, FETCH_SECONDS + 10 * READ_SECONDS):
        raise _Stopped
    _report(row, f"Fetching {row.url}")
    credential = GitCredential(row.username, row.secret)
    commit, size = fetch_context(row.uuid, row.url, row.branch, row.folder, credential)
    log.add(f"Fetched {row.url} at {commit}\n")
    return {"commit": commit, "context_size": size}


def _report(row: ImageBuild, message: str) -> None:
    """Show how far it is, without touching what the loop saves at the end."""
    ImageBuild.all_objects.filter(pk=row.pk).update(state="building", message=message[:500])
    row_changed(row.environment_id, row.KIND, row.pk)


def _build(
    row: ImageBuild, log: BuildLogWriter, logins: list[RegistryLogin], fields: dict[str, Any]
) -> ReconcileResult:
    """Have the engine build it. Raises `EngineError`, and `_Stopped` when the row wants something else by now."""
    try:
        context = read_context(row.uuid)
    except FileNotFoundError:
        reason = "Its context is not on this machine: where roles are on several, they have to share the data folder."
        return _failed_result(row, reason, log)
    request = BuildRequest(
        name=row.image,
        dockerfile=row.dockerfile,
        arguments=row.arguments,
        target=row.target,
        no_cache=row.no_cache,
        pull=row.pull,
        labels={LABEL: str(row.uuid)},
        logins=tuple(each.auth for each in logins),
    )
    image_id = _follow(row, driver_of(row.host).build(request, context), log)
    log.end()
    remove_context(row.uuid)
    list_again(row.host)
    status = {**row.status, "log": log.written}
    ended = {**fields, "ended": timezone.now(), "image_id": image_id, "secret": "", "context_size": None}
    return ReconcileResult(
        state="built", status=status, message=f"Built {row.image}.", fields=ended, requeue_after=_seconds_kept(row)
    )


def _follow(row: ImageBuild, stream: BuildStream, log: BuildLogWriter) -> str:
    """Write what the build says, and keep the lease while it says nothing; the id of the image."""
    found: queue.Queue[BuildOutput | Exception | None] = queue.Queue(_MAX_WAITING)
    reader = threading.Thread(target=_read, args=(stream, found), name=f"build-{row.pk}", daemon=True)
    reader.start()
    image_id = ""
    try:
        for each in _waited_for(found):
            if isinstance(each, Exception):
                raise each
            if each is not None:
                log.add(each.text)
                image_id = each.image_id or image_id
            if each is None or log.is_due:
                if not extend_lease(row):
                    raise _Stopped
                if log.save():
                    row.status = {**row.status, "log": log.written}
                    ImageBuild.all_objects.filter(pk=row.pk).update(status=row.status)
                    _report(row, f"Building on {row.host}")
        return image_id
    finally:
        stream.close()
        _let_go(reader, found)


def _read(stream: BuildStream, found: queue.Queue[BuildOutput | Exception | None]) -> None:
    """In a thread of its own: the engine may say nothing for half an hour."""
    try:
        for each in stream:
            found.put(each)
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        found.put(error)
    else:
        found.put(None)


def _waited_for(found: queue.Queue[BuildOutput | Exception | None]) -> Iterator[BuildOutput | Exception | None]:
    """What the build says as it comes, and None for each second without anything; ends with the build."""
    while True:
        try:
            each = found.get(timeout=_HEARTBEAT)
        except queue.Empty:
            yield None
            continue
        if each is None:
            return
        yield each


def _let_go(reader: threading.Thread, found: queue.Queue[BuildOutput | Exception | None]) -> None:
    """Let the thread end, which may wait for room."""
    while reader.is_alive():
        while not found.empty():
            found.get_nowait()
        reader.join(0.05)
