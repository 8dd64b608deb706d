"""Which rows are due, of every kind: asked for every two seconds as long as the portal runs, so in one statement."""

from __future__ import annotations

import functools
from collections import defaultdict
from datetime import datetime

from django.db import connection

from apps.control.kinds import KINDS


def keys_due(now: datetime, most: int) -> dict[str, list[int]]:
    """By kind, in the order of the kinds, the keys of up to `most` rows whose next attempt is due and nobody holds.

    Those that have waited longest come first. Raises `DatabaseError`.
    """
    names = tuple(KINDS)
    at = connection.ops.adapt_datetimefield_value(now)
    found: dict[str, list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_sql(connection.vendor, names, most), [at, at] * len(names))
        for number, key, _next_attempt in cursor.fetchall():
            found[names[number]].append(key)
    return found


@functools.lru_cache(maxsize=8)
def _sql(_vendor: str, names: tuple[str, ...], most: int) -> str:
    """Of each table the first rows by its index; Django would make the same SQL of each of them at every look."""
    quote = connection.ops.quote_name
    parts = []
    for number, name in enumerate(names):
        meta = KINDS[name].model._meta  # noqa: SLF001 - Django calls it its own documented API
        assert meta.pk is not None  # noqa: S101 - for mypy: every table has one
        parts.append(
            f"SELECT * FROM (SELECT {number} AS kind, {quote(meta.pk.column)} AS id, next_attempt_at"  # noqa: S608 - names of our own tables
            f" FROM {quote(meta.db_table)} WHERE next_attempt_at <= %s AND (lease = '' OR lease_until <= %s)"
            f" ORDER BY next_attempt_at LIMIT {most}) AS kind_{number}"
        )
    return f"{' UNION ALL '.join(parts)} ORDER BY 1, 3"
