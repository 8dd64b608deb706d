"""A new SQLite database in one step: the tables as all migrations leave them, from a file kept beside this module.

Running every migration on an empty database took six seconds, most of it SQLite's rebuilding of tables that were empty,
and each new migration added to it. `make schema` writes the file; migrations that are newer than it run as ever.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from django.db import connection

SCHEMA = Path(__file__).with_name("new_database.sql")

# The time at which a migration ran is the installation's, not that of whoever wrote the file.
_MIGRATION = re.compile(r"""(INSERT INTO "django_migrations" VALUES\(\d+,'\w+','\w+'),'[^']*'\);""")


def create_if_empty() -> bool:
    """Fill an SQLite database that has no table yet; True if it had none.

    One transaction: a portal that is killed meanwhile finds an empty database again. Other databases are left alone.
    """
    if connection.vendor != "sqlite" or connection.introspection.table_names():
        return False
    raw = connection.connection
    raw.execute("PRAGMA foreign_keys = OFF")  # rows are written before the tables that they refer to
    try:
        raw.executescript(SCHEMA.read_text())
    except BaseException:
        raw.rollback()
        raise
    finally:
        raw.execute("PRAGMA foreign_keys = ON")
    return True


def dump(database: sqlite3.Connection) -> str:
    """The text that makes a database like this one, but for when each migration ran."""
    return "\n".join(_lines(database)) + "\n"


def _lines(database: sqlite3.Connection) -> Iterator[str]:
    for line in database.iterdump():
        yield _MIGRATION.sub(r"\1,CURRENT_TIMESTAMP);", line)
