"""Lists: a hundred rows a page, filtered and sorted by the query of the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Case, CharField, Count, F, Func, OrderBy, Q, QuerySet, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Length
from django.http import HttpRequest

from apps.console.components.state_badges import BAD, WARN, bad_first

PAGE_SIZE = 100
_NATURAL_COLUMNS = ("name", "address", "image", "login")


@dataclass
class Listing:
    """One page of rows, and what is needed to link to the others."""

    rows: list[Any]
    total: int
    number: int
    pages: int
    sort: str
    filters: Mapping[str, str] = field(default_factory=dict)
    size: int = PAGE_SIZE

    @property
    def first(self) -> int:
        """The position of the first row shown, counted from 1; 0 when there is none."""
        return (self.number - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """The position of the last row shown; 0 when there is none."""
        return self.first + len(self.rows) - 1 if self.rows else 0

    @property
    def is_filtered(self) -> bool:
        """Whether any filter is set."""
        return any(self.filters.values())

    @property
    def previous(self) -> int:
        """The page before, or 0."""
        return self.number - 1

    @property
    def next_page(self) -> int:
        """The page after, or 0."""
        return self.number + 1 if self.number < self.pages else 0


def _with_health(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Rows whose `word` is what their badge says: the state, or a health below healthy where that says more."""
    below = Q(display_state__in=("active", "running"), status__health__in=(*BAD, *WARN))
    health = KeyTextTransform("health", "status")
    found: QuerySet[Any] = rows.annotate(
        word=Case(When(below, then=health), default=F("display_state"), output_field=CharField(max_length=32))
    )
    return found


def count_states(rows: QuerySet[Any], *, by_health: bool = False) -> list[tuple[str, int]]:
    """The states of the rows with how many have each, the most frequent first; for the facets above a list."""
    named, column = (_with_health(rows), "word") if by_health else (rows, "display_state")
    counted = named.order_by().values_list(column).annotate(count=Count("pk"))
    return sorted(((str(state), count) for state, count in counted), key=lambda pair: (-pair[1], pair[0]))


def filter_state(rows: QuerySet[Any], state: str, *, by_health: bool = False) -> QuerySet[Any]:
    """The rows in a state, in the words of `count_states`; all of them for none."""
    if not state:
        return rows
    return _with_health(rows).filter(word=state) if by_health else rows.filter(display_state=state)


def query_filters(request: HttpRequest, *names: str) -> dict[str, str]:
    """The named filters of the query, trimmed to 200 characters and without NUL, which PostgreSQL refuses."""
    return {name: request.GET.get(name, "").strip().replace("\0", "")[:200] for name in names}


def sort_rows(rows: QuerySet[Any], sort: str, columns: Mapping[str, str], *, by_health: bool = False) -> QuerySet[Any]:
    """Sort by a known column (`-` in front: descending); by default failed rows come first, then by name."""
    column = columns.get(sort.lstrip("-"))
    if column is None:
        return rows.order_by(bad_first(by_health=by_health), *natural_order("name"), "pk")
    down = sort.startswith("-")
    orderings = (
        natural_order(column, down=down) if column.endswith(_NATURAL_COLUMNS) else [_ordering(F(column), down=down)]
    )
    # The key comes last: rows that compare equal must not change places between two pages.
    return rows.order_by(*orderings, "pk")


def natural_order(column: str, *, down: bool = False) -> list[OrderBy]:
    """A natural ordering of texts (a1, a2, a10): by the text without trailing digits, then by length.

    Every supported database has these two functions, and no number is parsed that could overflow.
    """
    stem = Func(F(column), Value("0123456789"), function="RTRIM", output_field=CharField())
    return [_ordering(each, down=down) for each in (stem, Length(column), F(column))]


def _ordering(expression: Any, *, down: bool) -> OrderBy:
    ordering: OrderBy = expression.desc(nulls_last=True) if down else expression.asc(nulls_last=True)
    return ordering


def paginate(
    request: HttpRequest,
    rows: QuerySet[Any] | Sequence[Any],
    filters: Mapping[str, str] | None = None,
    *,
    size: int | None = None,
) -> Listing:
    """The page of `rows` that the query asks for, `PAGE_SIZE` of them; a number past the end gives the last page."""
    size = size or PAGE_SIZE
    total = rows.count() if isinstance(rows, QuerySet) else len(rows)
    pages = max(1, -(-total // size))
    text = request.GET.get("page", "1")
    # `isdigit` alone accepts characters such as "²", which `int` refuses.
    number = min(max(1, int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1), pages)
    page_rows = list(rows[(number - 1) * size : number * size])
    return Listing(page_rows, total, number, pages, request.GET.get("sort", ""), filters or {}, size)
