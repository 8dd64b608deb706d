"""The row of the built-in library: every installation has one, which administrators may switch off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings

from apps.catalog.models import LIBRARY, Catalog

LIBRARY_NAME = "library"
# The same in every installation, as the row is a part of a new database.
_UUID, _TIME = UUID("6f2d5f0e-0b9c-4d7a-9a55-3f6a2f4f7c11"), datetime(2026, 11, 30, tzinfo=UTC)


def ensure_library(**signal: Any) -> None:
    """Create the library's catalog where it is missing; it receives `post_migrate`."""
    migrated = signal.get("apps", apps)
    try:
        migrated.get_model("catalog", "Catalog")
    except LookupError:  # migrated back to before the tables
        return
    if settings.CATALOG_LIBRARY:
        library_ensure()


def library_ensure() -> Catalog:
    """The library's catalog, made now if it is missing; nobody requested it, and the loop reads it as it is due."""
    found: Catalog | None = Catalog.all_objects.filter(source=LIBRARY).first()
    if found is not None:
        return found
    row = Catalog(
        uuid=_UUID,
        name=LIBRARY_NAME,
        source=LIBRARY,
        description="Templates that come with the portal, and work without a connection to the internet.",
        created=_TIME,
        desired="active",
        transition_state="activating",
        next_attempt_at=_TIME,
        next_poll=_TIME,
    )
    row.save()
    return row
