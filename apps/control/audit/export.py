"""The audit log as a file: CSV for spreadsheets, JSON lines for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import QuerySet

from apps.control.models import AuditEntry
from apps.core.csv_rows import csv_row
from apps.core.ids import wire_id

CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
COLUMNS = (
    "number", "at", "environment", "account", "login", "key", "via", "authType", "address", "event", "kind", "target",
    "targetName", "code", "request", "response", "digest", "sealed",
)  # fmt: skip


def export_lines(
    rows: QuerySet[AuditEntry], kind: str, prepare: Callable[[AuditEntry], AuditEntry] | None = None
) -> Iterator[str]:
    """The entries, oldest first, one line of text each after CSV's line of column names; `prepare` may reword each."""
    if kind == "csv":
        yield csv_row(list(COLUMNS))
    for row in rows.select_related("account", "key").order_by("pk").iterator(1000):
        values = _serialize(prepare(row) if prepare else row)
        yield csv_row([_cell(values[name]) for name in COLUMNS]) if kind == "csv" else json.dumps(values) + "\n"


def _serialize(row: AuditEntry) -> dict[str, Any]:
    return {
        "number": row.number,
        "at": row.at.isoformat(),
        "environment": wire_id("a", row.environment_id) if row.environment_id else None,
        "account": wire_id("a", row.account_number) if row.account_number else None,
        "login": row.account.login if row.account else None,
        "key": row.key.public_value if row.key else None,
        "via": row.via,
        "authType": row.auth_type,
        "address": row.address,
        "event": row.event,
        "kind": row.kind,
        "target": row.target,
        "targetName": row.target_name,
        "code": row.code,
        "request": row.request,
        "response": row.response,
        "digest": row.digest,
        "sealed": row.answer_digest,
    }


def _cell(value: Any) -> str:
    return "" if value is None else json.dumps(value) if isinstance(value, dict) else str(value)
