"""Deleting what is past its retention setting: removed rows, finished operations, audit entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.control.kinds import KINDS, Kind
from apps.control.models import PENDING_STATES, AuditEntry, AuditHead, Operation
from apps.core.defaults import setting_int
from apps.core.encrypted import sign
from apps.environments.services import device_logins_expire

BATCH = 500
PERMANENT_KINDS = frozenset({"environment"})  # its audit log would go with it


def delete_expired_rows(now: datetime | None = None) -> int:
    """Delete one batch of everything that is past its retention time; how many rows went."""
    now = now or timezone.now()
    removed_before = now - timedelta(hours=setting_int("retention.removed.hours"))
    ended_before = now - timedelta(days=setting_int("retention.operations.days"))
    count = device_logins_expire(now)
    for kind in reversed([kind for name, kind in KINDS.items() if name not in PERMANENT_KINDS]):
        old = _expired(kind, removed_before, now).values_list("pk", flat=True)[:BATCH]
        count += kind.model.all_objects.filter(pk__in=list(old)).delete()[0]
    count += sum(prune_chain(chain, now) for chain in AuditHead.objects.values_list("environment_number", flat=True))
    finished = (
        Operation.all_objects.exclude(state__in=PENDING_STATES)
        .filter(ended__lt=ended_before)
        .values_list("pk", flat=True)
    )
    return count + int(Operation.all_objects.filter(pk__in=list(finished[:BATCH])).delete()[0])


def _expired(kind: Kind, removed_before: datetime, now: datetime) -> QuerySet[Any]:
    """The rows of a kind that are past their time; what can be restored is kept longer, unless it was purged."""
    rows: QuerySet[Any] = kind.model.all_objects.filter(removed__lt=removed_before)
    if not kind.restore_setting:
        return rows
    since = now - timedelta(days=setting_int(kind.restore_setting))
    return rows.exclude(desired="removed", removed__gte=since)


def prune_chain(chain: int, now: datetime) -> int:
    """Delete a batch of expired entries from the beginning of a chain, leaving a signed checkpoint."""
    days = setting_int("retention.audit.days")
    if days <= 0:
        return 0
    old = now - timedelta(days=days)
    with transaction.atomic():
        head = AuditHead.objects.select_for_update(no_key=True).get(environment_number=chain)
        rows = AuditEntry.all_objects.filter(environment=chain or None).exclude(number=None).order_by("number")
        prunable = prunable_entries(list(rows[: BATCH + 1]), old, head.length)
        if not prunable:
            return 0
        head.pruned, head.pruned_digest = max(
            (row.answer_number, row.answer_digest) if row.answer_number else (row.number or 0, row.digest)
            for row in prunable
        )
        head.pruned_until, head.pruned_lines = max(row.at for row in prunable), head.pruned_lines + len(prunable)
        head.pruned_seal = sign(head.beginning)
        head.save()
        AuditEntry.all_objects.filter(pk__in=[row.pk for row in prunable]).delete()
    return len(prunable)


def prunable_entries(rows: Sequence[AuditEntry], old: datetime, length: int) -> list[AuditEntry]:
    """The longest prefix of `rows` that is all older than `old` and whose links all come before those of the rest.

    `length` is where the chain ends. The link of an answer may come long after that of its entry: then the entry stays
    until everything between the two has expired as well.
    """
    best, last = 0, 0
    for place, row in enumerate(rows[:BATCH]):
        if row.at >= old:
            break
        last = max(last, row.answer_number or row.number or 0)
        after = rows[place + 1].number if place + 1 < len(rows) else length + 1
        if last < (after or 0):
            best = place + 1
    return list(rows[:best])
