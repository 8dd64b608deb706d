"""The database of a first start: made in one step, and just what all migrations would have made."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from portal.boot.new_database import SCHEMA, dump
from tests.docker.portal_process import ROOT, clean_environment

pytestmark = pytest.mark.faces

BY_MIGRATING = "import sys; from portal.tools.schema import migrated_database; migrated_database(sys.argv[1])"
AT_ONCE = """
import django
django.setup()
from portal.boot import database
database.call_command = None  # no migration may be left to run
print(database.migrate_if_behind(), database.migrate_if_behind())
"""
KILLED = """
import django, os, pathlib, sys
django.setup()
from django.db import connection
from portal.boot import new_database
new_database.SCHEMA = pathlib.Path(sys.argv[1])
new_database.create_if_empty()
print(len(connection.introspection.table_names()), connection.connection.in_transaction, flush=True)
os.kill(os.getpid(), 9)
"""


def _run(folder: Path, code: str, *arguments: str) -> str:
    """What a portal's process with this data folder prints."""
    environment = clean_environment(DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="portal.settings.base")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, -9}, done.stderr
    return done.stdout.strip()


def _content(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "corral.sqlite3")) as database:
        return sorted(dump(database).splitlines())


def test_it_is_what_all_migrations_make(tmp_path: Path) -> None:
    """`make schema` brings the file up to date after a new migration."""
    migrated, new = tmp_path / "migrated", tmp_path / "new"
    migrated.mkdir()
    new.mkdir()
    _run(migrated, BY_MIGRATING, str(migrated))
    assert _run(new, AT_ONCE) == "True False"
    assert _content(new) == _content(migrated)


def test_a_portal_killed_meanwhile_starts_again_from_nothing(tmp_path: Path) -> None:
    half = tmp_path / "half.sql"
    half.write_text("\n".join(SCHEMA.read_text().splitlines()[:-20]))
    tables, in_transaction = _run(tmp_path, KILLED, str(half)).split()
    assert int(tables) > 10
    assert in_transaction == "True"
    assert _run(tmp_path, AT_ONCE) == "True False"
