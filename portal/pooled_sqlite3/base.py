"""The backend: opening SQLite costs more than most questions put to it, so a closed connection is kept for the next."""

from __future__ import annotations

import atexit
import contextlib
import sqlite3
from collections import deque
from typing import Any

from django.db.backends.sqlite3 import base

_KEPT = 8
_idle: deque[tuple[str, sqlite3.Connection]] = deque(maxlen=_KEPT)


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite whose `close` gives the connection back; every process has a pool of its own."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """One that somebody gave back, or a new one."""
        with contextlib.suppress(IndexError):
            name, found = _idle.pop()
            if name == str(conn_params["database"]):
                found.execute("PRAGMA foreign_keys = ON")
                return found
            found.close()
        return super().get_new_connection(conn_params)

    def _close(self) -> None:
        kept = self.connection
        if kept is None or self.is_in_memory_db():
            super()._close()  # type: ignore[misc]
            return
        with self.wrap_database_errors:
            if kept.in_transaction:
                kept.rollback()
            if len(_idle) < _KEPT:
                _idle.append((str(self.settings_dict["NAME"]), kept))
            else:
                kept.close()


@atexit.register
def close_idle() -> None:
    """Close what nobody uses; the last one to go folds the write-ahead log into the database."""
    while _idle:
        _idle.pop()[1].close()
