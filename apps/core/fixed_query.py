"""Queries that are read again and again for as long as the portal runs: their SQL is made once.

Making SQL of a query takes Django ten times as long as SQLite takes to answer it from a few rows. Where a page is made
that is nothing; of what is read twice a second while nothing happens it is nearly the whole cost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

_FIRST_PLACE = -(1 << 40)  # no key is negative
_MAX_COMPILED = 32

_Compiled = tuple[str, tuple[Any, ...]]


class FixedQuery:
    """A query of which nothing varies but the keys that it is about; for use from any thread.

    `build` makes it of the keys, which have to get into the SQL as they are (`pk__in`, `environment=keys[0]`), and
    through `values_list`.
    """

    def __init__(self, build: Callable[[Sequence[int]], QuerySet[Any, Any]]) -> None:
        self._build = build
        self._compiled: dict[tuple[str, int], _Compiled | None] = {}

    def rows(self, keys: Collection[int] = ()) -> list[tuple[Any, ...]]:
        """The rows as the database has them: JSON, UUIDs and computed times may be texts. Raises `DatabaseError`."""
        name = (connection.vendor, len(keys))
        if name not in self._compiled:
            if len(self._compiled) >= _MAX_COMPILED:
                self._compiled.clear()
            self._compiled[name] = self._compile(len(keys))
        compiled = self._compiled.get(name)
        if compiled is None:
            return []
        sql, params = compiled
        places = dict(zip(_places(len(keys)), keys, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(sql, [_placed(each, places) for each in params])
            return list(cursor.fetchall())

    def _compile(self, count: int) -> _Compiled | None:
        """The SQL for so many keys; None where Django sees that there can be no row."""
        try:
            sql, params = self._build(_places(count)).query.get_compiler(connection=connection).as_sql()
        except EmptyResultSet:
            return None
        return sql, tuple(params)


def _places(count: int) -> list[int]:
    """What stands for the keys while the SQL is made."""
    return [_FIRST_PLACE - number for number in range(count)]


def _placed(value: Any, places: Mapping[int, int]) -> Any:
    """A value of the SQL, the key where it stands for one. PostgreSQL's driver has types of its own for integers."""
    return type(value)(places[value]) if isinstance(value, int) and value in places else value
