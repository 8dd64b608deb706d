"""The SQLite backend: closed connections are pooled, and writers of one process queue up."""

from __future__ import annotations

import atexit
import contextlib
import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from django.db.backends.sqlite3 import base

_POOL_SIZE = 8  # opening one costs more than most queries
_WRITE_TIMEOUT = 60.0
_WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_idle: deque[tuple[str, sqlite3.Connection]] = deque(maxlen=_POOL_SIZE)
_write_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class QueueingCursor(base.SQLiteCursorWrapper):
    """A cursor whose single statements that write take their turn as transactions do.

    Outside a transaction SQLite would have them retry against whoever writes, and under load give up after its
    time-out: "database is locked".
    """

    wrapper: DatabaseWrapper

    def execute(self, query: str, params: Any = None) -> Any:
        """Run one statement."""
        with self.wrapper.turn_to_write(query):
            return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        """Run one statement with many values."""
        with self.wrapper.turn_to_write(query):
            return super().executemany(query, param_list)


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite whose `close` returns the connection to a pool; every process has its own pool and queue of writers.

    SQLite lets one connection write and has the others retry at growing intervals, up to a tenth of a second; a lock
    lets the threads of one process take turns without that delay.
    """

    _write_lock: threading.Lock | None = None

    def _start_transaction_under_autocommit(self) -> None:
        lock = _write_locks[str(self.settings_dict["NAME"])]
        if lock.acquire(timeout=_WRITE_TIMEOUT):  # else SQLite waits and raises by itself
            self._write_lock = lock
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._release_write_lock()
            raise

    def create_cursor(self, name: str | None = None) -> Any:  # noqa: ARG002  # as Django calls it
        """A cursor that queues."""
        cursor = self.connection.cursor(factory=QueueingCursor)
        cursor.wrapper = self
        return cursor

    @contextlib.contextmanager
    def turn_to_write(self, query: str) -> Iterator[None]:
        """Hold the writers' queue for a statement that writes by itself."""
        if self._write_lock is not None or self.in_atomic_block or not query.lstrip()[:7].upper().startswith(_WRITING):
            yield
            return
        lock = _write_locks[str(self.settings_dict["NAME"])]
        held = lock.acquire(timeout=_WRITE_TIMEOUT)  # else SQLite waits and raises by itself
        try:
            yield
        finally:
            if held:
                lock.release()

    def _release_write_lock(self) -> None:
        lock, self._write_lock = self._write_lock, None
        if lock is not None:
            lock.release()

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._release_write_lock()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._release_write_lock()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A pooled connection, or a new one."""
        with contextlib.suppress(IndexError):
            name, found = _idle.pop()
            if name == str(conn_params["database"]):
                found.execute("PRAGMA foreign_keys = ON")
                return found
            found.close()
        return super().get_new_connection(conn_params)

    def _close(self) -> None:
        self._release_write_lock()
        raw = self.connection
        if raw is None or self.is_in_memory_db():
            super()._close()  # type: ignore[misc]
            return
        with self.wrap_database_errors:
            if raw.in_transaction:
                raw.rollback()
            if len(_idle) < _POOL_SIZE:
                _idle.append((str(self.settings_dict["NAME"]), raw))
            else:
                raw.close()


def release_page_caches() -> None:
    """Have the pooled connections free their pages; one that is in use keeps its own until it is pooled again."""
    for _ in range(len(_idle)):
        try:
            name, found = _idle.popleft()
        except IndexError:  # they were taken meanwhile
            return
        with contextlib.suppress(sqlite3.Error):
            found.execute("PRAGMA shrink_memory")
        _idle.append((name, found))


@atexit.register
def close_idle() -> None:
    """Close the pool; closing the last connection merges the write-ahead log into the database."""
    while _idle:
        _idle.pop()[1].close()
