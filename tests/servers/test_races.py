"""The rules that are raced on SQLite in `tests/incidents` hold on PostgreSQL too, where transactions run at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.docker.portal_process import ROOT

pytestmark = pytest.mark.servers


def test_every_rule_holds_on_postgresql(database: str, tmp_path: Path):
    incidents = ("test_rules_under_race", "test_addresses_under_race", "test_webhook_replay")
    tests = (*(f"tests/incidents/{name}.py" for name in incidents), "tests/accounts/test_login_attempts.py")
    _run(tests, database, tmp_path)


def test_two_people_at_one_service_on_postgresql(database: str, tmp_path: Path):
    _run(["tests/incidents/test_two_people.py"], database, tmp_path)


def _run(tests: Iterable[str], database: str, folder: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": database, "DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
