"""Uniqueness that the database holds, told to people as what is wrong with their request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from apps.core.errors import Problem


@contextmanager
def unique_or(problem: Problem, *constraints: str) -> Iterator[None]:
    """Raise `problem` where one of the named constraints (or `table.column`s) refuses what is written inside.

    Services look first and refuse in the usual case; this is for two that looked at the same moment.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if any(name in str(error) for name in constraints):
            raise problem from None
        raise
