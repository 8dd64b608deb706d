"""Reads of operations and the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Value

from apps.control.models import PENDING_STATES, AuditEntry, Operation
from apps.core.models import Managed
from apps.environments.actor import Actor

MAX_DEPTH, MAX_DESCENDANTS = 5, 200


def descendants_of(row: Operation, rows: QuerySet[Operation]) -> list[Operation]:
    """The operations among `rows` that `row` led to, depth first, each with its `depth` (0: a child of `row`).

    One query a level; at most five levels and 200 operations, those of the upper levels first.
    """
    below: dict[int | None, list[Operation]] = {}
    level, left = [row.pk], MAX_DESCENDANTS
    for depth in range(MAX_DEPTH):
        found = list(rows.filter(parent__in=level).annotate(depth=Value(depth)).order_by("pk")[:left])
        for each in found:
            below.setdefault(each.parent_id, []).append(each)
        level, left = [each.pk for each in found], left - len(found)
        if not level or not left:
            break
    return list(_depth_first(row.pk, below))


def _depth_first(parent: int, below: Mapping[int | None, Sequence[Operation]]) -> Iterator[Operation]:
    for each in below.get(parent, ()):
        yield each
        yield from _depth_first(each.pk, below)


@dataclass(frozen=True, slots=True)
class PartsProgress:
    """How many operations one led to directly, and how many of them are over; `failed` are among those."""

    total: int
    ended: int
    failed: int


def parts_progress(row: Operation, rows: QuerySet[Operation]) -> PartsProgress:
    """How far the operations among `rows` are that `row` led to, however many they are; one query."""
    pending, failed = Count("pk", filter=Q(state__in=PENDING_STATES)), Count("pk", filter=Q(state="failed"))
    found = rows.filter(parent=row).order_by().aggregate(total=Count("pk"), pending=pending, failed=failed)
    return PartsProgress(found["total"], found["total"] - found["pending"], found["failed"])


def visible_audit_entries(actor: Actor) -> QuerySet[AuditEntry]:
    """Every audit entry for administrators, also those of no environment (logins, accounts); else the actor's."""
    if actor.is_admin:
        rows: QuerySet[AuditEntry] = AuditEntry.all_objects.all()
        return rows
    seen: QuerySet[AuditEntry] = AuditEntry.objects.within(actor.environments("view"))
    return seen


def retained_counts(actor: Actor) -> dict[str, int]:
    """How many rows the retention settings of audit entries and operations apply to; administrators only."""
    if not actor.is_admin:
        return {}
    return {
        "retention.audit.days": AuditEntry.all_objects.count(),
        "retention.operations.days": Operation.all_objects.count(),
    }


def last_change_of(row: Managed) -> Operation | None:
    """What a person requested of this row last, with the account; for who may see the row."""
    done = Operation.all_objects.filter(kind=row.KIND, target=row.pk, account__isnull=False)
    found: Operation | None = done.select_related("account").order_by("-pk").first()
    return found
