"""A connection that was given back serves the next thread, as if it were new."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from portal.pooled_sqlite3 import base
from portal.settings.database import database


@pytest.fixture(autouse=True)
def own_pool(monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[None]:
    """Nobody else's connections; the databases are the test's own files."""
    monkeypatch.setattr(base, "_idle", type(base._idle)())
    with django_db_blocker.unblock():
        yield
    base.close_idle()


@pytest.fixture
def connect(tmp_path: Path) -> Callable[..., Any]:
    """A wrapper of one thread for a database file, connected."""

    def make(name: str = "corral.sqlite3") -> base.DatabaseWrapper:
        settings = database("", tmp_path) | {"NAME": str(tmp_path / name)}
        usual = {"TIME_ZONE": None, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "AUTOCOMMIT": True}
        made = base.DatabaseWrapper({**usual, "ATOMIC_REQUESTS": False, **settings}, "other")
        made.ensure_connection()
        return made

    return make


def test_what_is_closed_is_taken_again(connect: Any):
    first = connect()
    raw = first.connection
    first.close()
    assert connect().connection is raw


def test_another_thread_may_take_it(connect: Any):
    first = connect()
    raw = first.connection
    first.close()
    found = []

    def elsewhere() -> None:
        second = connect()
        with second.cursor() as cursor:
            cursor.execute("SELECT 1")
            found.append((second.connection, cursor.fetchone()))
        second.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert found == [(raw, (1,))]


def test_two_at_once_have_one_each(connect: Any):
    first, second = connect(), connect()
    assert first.connection is not second.connection
    first.close()
    second.close()
    assert len(base._idle) == 2


def test_pooled_connections_free_their_pages_and_stay_usable(connect: Any):
    first, second = connect(), connect()
    for each in (first, second):
        each.close()
    executed: list[str] = []
    for _name, raw in base._idle:
        raw.set_trace_callback(executed.append)

    base.release_page_caches()

    assert executed == ["PRAGMA shrink_memory"] * 2
    with connect().cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_broken_connection_keeps_no_other_from_freeing_its_pages(connect: Any):
    first, second = connect(), connect()
    broken = first.connection
    first.close()
    second.close()
    broken.close()

    base.release_page_caches()

    assert len(base._idle) == 2


def test_half_a_transaction_is_not_handed_on(connect: Any):
    first = connect()
    with first.cursor() as cursor:
        cursor.execute("CREATE TABLE t (n integer)")
    first.connection.execute("BEGIN IMMEDIATE")
    first.connection.execute("INSERT INTO t VALUES (1)")
    first.close()
    second = connect()
    assert second.connection.in_transaction is False
    with second.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchone() == (0,)


def test_foreign_keys_are_watched_again(connect: Any):
    first = connect()
    first.disable_constraint_checking()
    first.close()
    with connect().cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys")
        assert cursor.fetchone() == (1,)


def test_one_of_another_file_is_not_taken(connect: Any):
    first = connect("one.sqlite3")
    raw = first.connection
    first.close()
    second = connect("two.sqlite3")
    assert second.connection is not raw
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("SELECT 1")


def test_no_more_are_kept_than_agreed(connect: Any):
    for made in [connect() for _ in range(base._POOL_SIZE + 3)]:
        made.close()
    assert len(base._idle) == base._POOL_SIZE


def test_the_last_one_folds_the_log_into_the_database(connect: Any, tmp_path: Path):
    made = connect()
    with made.cursor() as cursor:
        cursor.execute("CREATE TABLE t (n integer)")
    assert (tmp_path / "corral.sqlite3-wal").exists()
    made.close()
    base.close_idle()
    assert not (tmp_path / "corral.sqlite3-wal").exists()


def begin(wrapper: Any) -> None:
    wrapper.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def end(wrapper: Any, how: str) -> None:
    getattr(wrapper, how)()
    if wrapper.connection is not None:
        wrapper.set_autocommit(True)


@pytest.mark.parametrize("how", ["commit", "rollback", "close"])
def test_writers_wait_in_line(connect: Any, how: str):
    first, second = connect(), connect()
    begin(first)
    second.inc_thread_sharing()
    waiting = threading.Thread(target=begin, args=(second,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    assert not second.connection.in_transaction
    end(first, how)
    waiting.join(10)
    assert second.connection.in_transaction
    end(second, "rollback")
    assert not any(turn.locked() for turn in base._write_locks.values())


def test_another_process_is_still_waited_for(connect: Any, tmp_path: Path):
    """Its turn in this process is not enough; what SQLite says then leaves the line free."""
    wrapper = connect()
    wrapper.connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(tmp_path / "corral.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"):
        begin(wrapper)
    other.rollback()
    begin(wrapper)
    end(wrapper, "commit")
    other.close()


def test_who_waits_too_long_gets_an_error_from_sqlite(connect: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(base, "_WRITE_TIMEOUT", 0.01)
    first, second = connect(), connect()
    begin(first)
    second.connection.execute("PRAGMA busy_timeout = 10")
    with pytest.raises(OperationalError, match="locked"):
        begin(second)
    end(first, "commit")
    begin(second)
    end(second, "commit")


def test_a_single_statement_waits_for_its_turn_however_short_sqlite_s_patience(connect: Any):
    """Outside a transaction too: SQLite alone would give up, "database is locked"."""
    first = connect()
    with first.cursor() as cursor:
        cursor.execute("CREATE TABLE t (n integer)")
    began, release, failures = threading.Event(), threading.Event(), []

    def hold() -> None:
        holder = connect()
        holder._start_transaction_under_autocommit()
        holder.connection.execute("INSERT INTO t VALUES (1)")
        began.set()
        release.wait(10)
        holder._commit()

    def write() -> None:
        writer = connect()
        try:
            with writer.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 0")
                cursor.execute("UPDATE t SET n = 2")
                cursor.executemany("INSERT INTO t VALUES (%s)", [(3,), (4,)])
        except OperationalError as error:
            failures.append(error)

    threads = [threading.Thread(target=hold), *(threading.Thread(target=write) for _ in range(4))]
    threads[0].start()
    assert began.wait(10)
    for each in threads[1:]:
        each.start()
    release.set()
    for each in threads:
        each.join(20)
    with first.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM t")
        assert (failures, cursor.fetchone()) == ([], (9,))
