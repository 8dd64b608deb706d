"""Who sees values of environment variables, and what may contain them."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from apps.api.wire.resource import RowContext


def sees_values(context: RowContext, environment: str = "environment_id") -> bool:
    """Whether the caller sees them where the row is; `environment` is where the row has its environment's number."""
    return "values" in context.caller.actor.permissions(attrgetter(environment)(context.row))


def if_values_visible(name: str, environment: str = "environment_id") -> Callable[[RowContext], Any]:
    """The column `name`, for callers who see the values that it may contain."""
    return lambda context: (getattr(context.row, name) or None) if sees_values(context, environment) else None
