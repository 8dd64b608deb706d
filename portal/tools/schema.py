"""Writes the schema of a new database (`make schema`), by running every migration on an empty one."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path


def migrated_database(folder: str) -> Path:
    """A database that went through every migration, in the folder."""
    import django
    from django.core.management import call_command

    os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="portal.settings.base")
    django.setup()
    from django.conf import settings
    from django.db import connection

    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    connection.close()
    return Path(settings.DATABASES["default"]["NAME"])


def main() -> int:
    """Write the file, and say where; the exit code."""
    from portal.boot.new_database import SCHEMA, dump
    from portal.boot.terminal import say

    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(migrated_database(folder))) as database:
        SCHEMA.write_text(dump(database))
    say(f"Wrote {SCHEMA.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
