"""Which database: SQLite in the data folder, or what DATABASE_URL names."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_SQLITE_OPTIONS = {
    "timeout": 20,
    "cached_statements": 16,  # each keeps its memory, in every connection
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1000;",
}


def database(url: str, data_dir: Path) -> dict[str, Any]:
    """Django's settings for `url`, or for the embedded SQLite when empty.

    A url is postgres://user:password@host:port/name, with libpq's own words (sslmode=require) after a question mark.
    """
    if not url:
        return {
            "ENGINE": "portal.pooled_sqlite3",
            "NAME": str(data_dir / "corral.sqlite3"),
            "OPTIONS": dict(_SQLITE_OPTIONS),
        }
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"DATABASE_URL: {parts.scheme}:// is not supported; use postgres://.")
    try:
        port = str(parts.port or "")
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL: its port is not a number from 1 to 65535.") from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": port,
        "OPTIONS": {**dict(parse_qsl(parts.query)), "pool": {"min_size": 1, "max_size": 14, "timeout": 10}},
    }
