"""Filters, sorting and paging of collections; rows removed a while ago are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import CharField, F, Lookup, Q, TextField
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.api.wire.fields import Field
from apps.api.wire.resource import Resource
from apps.core.defaults import setting_int
from apps.core.fields import MAX_INTEGER
from apps.core.ids import row_number
from apps.core.texts import is_storable

DEFAULT_LIMIT, MAX_LIMIT = 100, 3000
_UUID = re.compile("[0-9A-Fa-f]{32}")
_COMPARISONS = {"lt", "lte", "gt", "gte"}


@CharField.register_lookup
@TextField.register_lookup
class SqlLike(Lookup):  # type: ignore[type-arg]
    """SQL's LIKE, as v1 filters use it: `%` and `_` are wildcards, case is ignored, there is no escape character."""

    lookup_name = "sqllike"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """`UPPER(column) LIKE UPPER(pattern)`."""
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"UPPER({left}) LIKE UPPER({right}) ESCAPE '\\'", [*left_params, *right_params]


@dataclass
class Page:
    """The rows of one page, and how they were filtered and sorted."""

    rows: list[Any]
    filters: dict[str, Any] = field(default_factory=dict)
    sort: dict[str, Any] | None = None
    limit: int | None = DEFAULT_LIMIT
    offset: int = 0
    partial: bool = False


def paginate(resource: Resource, rows: Any, query_params: QueryDict) -> Page:
    """One page of a query set, or of a list for types without a table."""
    found = Page(
        [], limit=_limit(query_params, DEFAULT_LIMIT if resource.is_paged else None), offset=_offset(query_params)
    )
    if not isinstance(rows, list):
        rows, found.filters = apply_filters(resource, _exclude_removed(resource, rows), query_params)
        rows, found.sort = _apply_sort(resource, rows, query_params)
    end = None if found.limit is None else found.offset + found.limit + 1
    # One row more than the page shows, instead of counting the whole table, says whether there is a next page.
    fetched = list(rows[found.offset : end])
    found.partial = found.limit is not None and len(fetched) > found.limit
    found.rows = fetched[: found.limit] if found.limit is not None else fetched
    return found


def _limit(query_params: QueryDict, default: int | None) -> int | None:
    number = _parse_int(query_params.get("limit", ""))
    if number is None:
        return default
    return None if number <= 0 else min(number, MAX_LIMIT)


def _offset(query_params: QueryDict) -> int:
    number = _parse_int(query_params.get("marker", "").removeprefix("m"))
    return number if number is not None and 0 <= number < 2**31 else 0


def _parse_int(text: str) -> int | None:
    digits = text.removeprefix("-")
    # 18 digits always fit into a 64-bit column; SQLite's adapter raises on longer numbers.
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _exclude_removed(resource: Resource, rows: Any) -> Any:
    """Leave out rows removed longer ago than the setting says; by id they are still found."""
    if not resource.lifecycle_actions:
        return rows
    since = timezone.now() - timedelta(seconds=setting_int("api.show.removed.for.seconds"))
    return rows.filter(Q(removed=None) | Q(removed__gt=since))


def filterable_fields(resource: Resource) -> dict[str, Field]:
    """The fields that the collection can be filtered and sorted by."""
    if not resource.sortable:
        return {}
    found = {f.name: f for f in resource.fields if f.modifiers}
    return {"id": Field(name="id", type="int", source="pk"), **found}


def apply_filters(resource: Resource, rows: Any, query_params: QueryDict) -> tuple[Any, dict[str, Any]]:
    """The rows that match every filter in the query; unknown fields and modifiers are ignored, as v1 does."""
    known = filterable_fields(resource)
    applied: dict[str, Any] = dict.fromkeys(known)
    if "kind" in query_params and "kind" not in known and known:
        rows = rows if set(query_params.getlist("kind")) == {resource.kind_of(None)} else rows.none()
    for word, values in query_params.lists():
        name, _underscore, modifier = (word, "", "eq") if word in known else word.rpartition("_")
        column = known.get(name)
        if column is None or (modifier != "eq" and modifier not in column.modifiers):
            continue
        for value in values:
            applied[name] = [*(applied[name] or []), {"modifier": modifier, "value": value}]
            condition = _condition(column, modifier, str(value))
            rows = rows.none() if condition is None else rows.filter(condition)
    return rows, applied


def _condition(column: Field, modifier: str, text: str) -> Q | None:
    """One filter as a condition; None if nothing can match."""
    path = column.source
    if modifier in {"null", "notnull"}:
        return Q(**{f"{path}__isnull": True}) if modifier == "null" else Q(**{f"{path}__isnull": False})
    value = _filter_value(column, text)
    if value is None:
        return None
    if modifier in _COMPARISONS:
        return Q(**{f"{path}__{modifier}": value})
    if modifier == "prefix":
        return Q(**{f"{path}__startswith": value})
    if modifier in {"like", "notlike"} and column.name != "uuid":  # of those only whole ones are taken
        # v1's LIKE has no escape character, so a backslash stands for itself. The length is bounded because
        # matching many wildcards takes the database exponentially long.
        like = Q(**{f"{path}__sqllike": value.replace("\\", "\\\\")[:256]})
        return like if modifier == "like" else ~like
    equal = Q(**{path: value})
    return ~equal if modifier in {"ne", "notlike"} else equal


def _filter_value(column: Field, text: str) -> Any:
    if column.type == "date":
        return _parse_date(text)
    if column.type == "boolean":
        return {"true": True, "false": False}.get(text.lower())
    if column.type.startswith("reference[") or column.name == "id":
        number = row_number(text)
        return _parse_int(text) if number is None and column.name == "id" else number
    if column.type == "int":
        number = (
            _parse_int(text) if _parse_int(text) is not None else row_number(text)
        )  # v1 declares some ids as int: their wire form is accepted too
        return number if number is not None and abs(number) <= MAX_INTEGER else None
    if column.name == "uuid":
        return text if _UUID.fullmatch(text.replace("-", "")) else None
    return text if is_storable(text) else None


def _parse_date(text: str) -> datetime | None:
    number = _parse_int(text)
    # v1 accepts dates as text and in milliseconds.
    try:
        if number is not None:
            return datetime.fromtimestamp(number / 1000, UTC)
        found = parse_datetime(text)
    except (ValueError, OverflowError, OSError):
        return None
    return found.replace(tzinfo=found.tzinfo or UTC) if found else None


def _apply_sort(resource: Resource, rows: Any, query_params: QueryDict) -> tuple[Any, dict[str, Any] | None]:
    """Sort as requested, else oldest first; the primary key breaks ties so that pages never overlap."""
    name, order = query_params.get("sort", ""), query_params.get("order", "asc")
    column = filterable_fields(resource).get(name)
    if column is None:
        return rows, None
    path = F(column.source).desc() if order == "desc" else F(column.source).asc()
    return rows.order_by(path, "pk"), {"name": name, "order": order, "reverse": None}


def collection_metadata(resource: Resource, query_params: QueryDict, url: str, found: Page) -> dict[str, Any]:
    """The sort, pagination and filter members of a collection."""
    first = None if found.limit is None else _url_with(url, query_params, marker=None)
    after = found.offset + (found.limit or 0)
    before = None if not found.offset or found.limit is None else max(0, found.offset - found.limit)
    return {
        "sortLinks": {
            name: _url_with(url, query_params, sort=name, order=_reverse_order(found, name))
            for name in filterable_fields(resource)
        },
        "pagination": {
            "first": first if found.offset else None,
            "previous": None
            if before is None
            else _url_with(url, query_params, marker=f"m{before}" if before else None),
            "next": _url_with(url, query_params, marker=f"m{after}") if found.partial else None,
            "limit": found.limit,
            "total": None,
            "partial": found.partial,
        },
        "sort": found.sort,
        "filters": found.filters,
    }


def _reverse_order(found: Page, name: str) -> str | None:
    return "desc" if found.sort and found.sort["name"] == name and found.sort["order"] != "desc" else None


def _url_with(url: str, query_params: QueryDict, **changes: str | None) -> str:
    """The same URL with some of its query changed."""
    query = query_params.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = value
    return f"{url}?{query.urlencode()}" if query else url


def with_key(rows: Any, key: int, columns: Sequence[str]) -> Any:
    """The rows that have the key in one of their `columns`, each once."""
    if len(columns) == 1:
        return rows.filter(**{columns[0]: key})
    mine = (Q(pk__in=rows.filter(**{column: key}).order_by().values("pk")) for column in columns)
    return rows.filter(reduce(or_, mine))


def group_by_columns(rows: Any, keys: Sequence[int], columns: Sequence[str]) -> dict[int, list[Any]]:
    """The rows grouped by the key in one of their `columns`, in one query for each."""
    found: dict[int, dict[int, Any]] = {key: {} for key in keys}
    for column in columns:
        for row in rows.annotate(link_key=F(column)).filter(link_key__in=list(keys)):
            found[row.link_key].setdefault(row.pk, row)
    return {key: list(group.values()) for key, group in found.items()}
