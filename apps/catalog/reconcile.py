"""Reconciling catalogs: a repository is fetched and indexed when it is due; the last good index is served meanwhile."""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.catalog.git import FETCH_SECONDS, GitStore
from apps.catalog.index import INDEX_VERSION, IndexSummary, update_index
from apps.catalog.models import LIBRARY, Catalog, Template
from apps.catalog.source import FileSource, SourceError
from apps.catalog.storage import fetch, git_store, library_source
from apps.control.reconcile import extend_lease
from apps.core.result import ReconcileResult

log = logging.getLogger(__name__)

LIBRARY_SECONDS = 3600.0  # the program's own files change with the program only
FIRST_RETRY, LAST_RETRY = 15.0, 3600.0


def reconcile_catalog(row: Catalog) -> ReconcileResult:
    """Fetch and index what is due of an active catalog; one that is not active is served to nobody, and left alone."""
    if row.desired != "active":
        return _at_rest(row)
    now = timezone.now()
    is_requested = row.display_state == "refreshing" or row.read_as != _settings_digest(row)
    if not is_requested and row.observed_generation == row.generation and row.next_poll > now:
        wait = (row.next_poll - now).total_seconds()
        return ReconcileResult(state=row.state, message=row.message, requeue_after=wait, failed=row.fault)
    extend_lease(row, FETCH_SECONDS * 3)
    try:
        return _refresh(row)
    except SourceError as problem:
        return _failure(row, str(problem))
    except Exception as error:  # whatever a repository holds, the others are still served
        log.exception("indexing catalog %s", row.pk)
        return _failure(row, f"The catalog cannot be read: {type(error).__name__}: {error}"[:500])


def _at_rest(row: Catalog) -> ReconcileResult:
    if row.desired in {"removed", "purged"}:
        Template.objects.filter(catalog=row).delete()
        if row.source != LIBRARY:
            git_store(row).remove()
        return ReconcileResult(state=row.desired, status={}, fields={"commit": "", "read_as": ""})
    return ReconcileResult(state=row.desired)


def _refresh(row: Catalog) -> ReconcileResult:
    source, commit = fetch(row)
    digest = _settings_digest(row)
    is_current = commit == row.commit and row.read_as == digest
    summary = _kept(row) if is_current else _index(row, source, commit, afresh=row.read_as != digest)
    seconds = LIBRARY_SECONDS if row.source == LIBRARY else float(row.poll_seconds)
    now = timezone.now()
    return ReconcileResult(
        state="active",
        status={**row.status, **summary, "failures": 0, "looked": now.isoformat()},
        requeue_after=seconds,
        fields={
            "commit": commit,
            "read_as": digest,
            "next_poll": now + timedelta(seconds=seconds),
            **({} if is_current else {"indexed_at": now}),
        },
        notes=() if is_current else (_note(summary, commit),),
    )


def _kept(row: Catalog) -> dict[str, Any]:
    return {name: row.status.get(name) for name in IndexSummary().to_json()}


def _index(row: Catalog, source: FileSource, commit: str, *, afresh: bool) -> dict[str, Any]:
    summary = update_index(row, source, commit, afresh=afresh)
    if isinstance(source, GitStore):
        source.keep(commit)
    return summary.to_json()


def _note(summary: dict[str, Any], commit: str) -> str:
    return f"Read {summary['templates']} templates with {summary['versions']} versions at {commit[:12]}."


def _failure(row: Catalog, reason: str) -> ReconcileResult:
    """The reason is shown, the last good index stays, and it is tried again, ever less often."""
    failures = int(row.status.get("failures") or 0) + 1
    wait = min(LAST_RETRY, FIRST_RETRY * 2 ** min(failures - 1, 10))
    return ReconcileResult(
        state="error",
        status={**row.status, "failures": failures},
        message=reason,
        failed=True,
        requeue_after=wait,
        fields={"next_poll": timezone.now() + timedelta(seconds=wait)},
    )


def _settings_digest(row: Catalog) -> str:
    """Changes with what the index was read from, and with how it is read."""
    parts: tuple[str, ...] = (INDEX_VERSION, row.source, row.url, row.branch)
    if row.source == LIBRARY:
        parts += (library_source().state(),)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
