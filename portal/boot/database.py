"""Migrations at start: a check that takes milliseconds, and the migration itself only when one is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from portal.boot.new_database import create_if_empty


def migrations_on_disk() -> set[tuple[str, str]]:
    """Every (app, migration) that the installed apps bring."""
    return {
        (config.label, file.stem)
        for config in apps.get_app_configs()
        for folder in _migration_folders(config.label)
        for file in Path(folder).glob("[!_]*.py")
    }


def _migration_folders(label: str) -> list[str]:
    name, _ = MigrationLoader.migrations_module(label)
    spec = find_spec(name) if name else None
    return list(spec.submodule_search_locations or []) if spec else []


def is_behind() -> bool:
    """Whether a migration on disk is not recorded in the database."""
    return bool(migrations_on_disk() - set(MigrationRecorder(connection).applied_migrations()))


def migrate_if_behind() -> bool:
    """Bring the database up to date; True when there was something to do."""
    try:
        is_new = create_if_empty()
        behind = is_behind()
        if behind:
            call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    finally:
        connection.close()
    return is_new or behind
