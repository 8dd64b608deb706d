"""An installation of the version before kinds had their own names: it upgrades with everything that it held.

`old_installation/` was recorded from a portal of that version: its database as SQL, its keys, and in `notes.json` the
credentials that people had then.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.docker.portal_process import ROOT, Api, PortalProcess, clean_environment
from tests.servers.role_processes import RoleProcesses

pytestmark = pytest.mark.servers

RECORDED = Path(__file__).parent / "old_installation"
NOTES = json.loads((RECORDED / "notes.json").read_text())
KEEP_ENTRIES = "from apps.core.models import Setting; Setting.objects.create(name='retention.audit.days', value='0')"
CONTAINERS = ["shop_web_1", "shop_web_2", "shop_web_3", "shop_web_4"]


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean_environment(DATA_DIR=str(folder)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "corral.sqlite3", timeout=20)
    try:
        with connection:
            return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder after `migrate`, as if it had been recorded just now.

    Without that the session would have expired since, and retention would delete the finished operations. Entries of
    the audit log keep their times, which their chain covers, so they are kept for ever.
    """
    folder = tmp_path_factory.mktemp("old") / "data"
    folder.mkdir(mode=0o700)
    for name in ("field.key", "secret_key.key"):
        shutil.copy(RECORDED / name, folder)
        (folder / name).chmod(0o600)
    connection = sqlite3.connect(folder / "corral.sqlite3")
    connection.executescript(gzip.decompress((RECORDED / "corral.sql.gz").read_bytes()).decode())
    now = datetime.now(UTC).replace(tzinfo=None)
    connection.execute(
        "UPDATE accounts_session SET created = ?, last_seen = ?, expires = ?",
        [str(now), str(now), str(now + timedelta(days=1))],
    )
    connection.execute("UPDATE control_operation SET ended = ? WHERE ended IS NOT NULL", [str(now)])
    connection.commit()
    connection.close()
    done = manage(folder, "migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    done = manage(folder, "shell", "--no-imports", "-c", KEEP_ENTRIES)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(upgraded: Path, tmp_path: Path) -> Path:
    """The upgraded folder, to be spoilt."""
    return Path(shutil.copytree(upgraded, tmp_path / "data"))


@pytest.fixture(scope="module")
def portal(upgraded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalProcess]:
    """The portal on a copy of the upgraded folder; no engine answers."""
    home = tmp_path_factory.mktemp("portal")
    made = PortalProcess(Path(shutil.copytree(upgraded, home / "data")), f"unix://{home}/nobody.sock")
    made.start()
    yield made
    made.end()


def api(portal: PortalProcess, key: str) -> Api:
    return Api(portal.base, NOTES[key]["accessKey"], NOTES[key]["secretKey"])


def test_every_chain_still_verifies(upgraded: Path):
    done = manage(upgraded, "audit_verify")
    assert done.returncode == 0, done.stdout + done.stderr
    reports = done.stdout.splitlines()
    assert len(reports) == 3
    assert all(", whole, " in report for report in reports)
    assert rows(upgraded, "SELECT DISTINCT format FROM control_auditentry") == [(1,)]


def test_old_entries_that_are_changed_are_found(copy: Path):
    changes = {
        "stack.create": "UPDATE control_auditentry SET target_name = 'shoq' WHERE event = 'stack.create'",
        "environment.create": "UPDATE control_auditentry SET format = 2 WHERE event = 'environment.create'",
        "login": "UPDATE control_auditentry SET kind = 'accounu' WHERE event = 'login'",
    }
    lines = dict(rows(copy, "SELECT event, id FROM control_auditentry"))
    for change in changes.values():
        rows(copy, change)
    done = manage(copy, "audit_verify")
    assert done.returncode == 1
    assert [line.strip() for line in done.stdout.splitlines() if "was changed" in line] == [
        f"line {lines[event]} was changed" for event in ("login", "stack.create", "environment.create")
    ]


def test_everything_is_there_with_its_name_and_state(upgraded: Path):
    def shown(table: str) -> set[tuple[str, str]]:
        return set(rows(upgraded, f"SELECT name, display_state FROM {table}"))  # noqa: S608 - our own names

    assert shown("environments_environment") == {("Default", "active"), ("Second", "active")}
    assert shown("hosts_host") == {("vm", "active")}
    assert shown("stacks_stack") == {("shop", "active")}
    assert shown("stacks_service") == {("web", "active")}
    assert shown("containers_container") == {*((name, "running") for name in CONTAINERS), ("alone", "removed")}
    assert rows(upgraded, "SELECT login FROM accounts_user ORDER BY id") == [("admin",), ("bob",)]


def test_stored_kinds_are_the_internal_ones(upgraded: Path):
    kinds = {"account", "apiKey", "container", "environment", "host", "service", "stack"}
    operations = rows(upgraded, "SELECT kind, name FROM control_operation")
    entries = rows(upgraded, "SELECT kind, event FROM control_auditentry WHERE event <> 'login'")
    assert {kind for kind, _name in operations} == kinds
    assert {kind for kind, _name in entries} == kinds - {"host"}
    assert all(name.partition(".")[0] == kind for kind, name in operations + entries)
    assert {("stack", "stack.update"), ("environment", "environment.update")} <= {*operations} & {*entries}


@pytest.mark.parametrize("key", ["environmentKey", "accountKey"])
def test_the_keys_still_work(portal: PortalProcess, key: str):
    found = api(portal, key)
    assert [row["name"] for row in found.containers()] == CONTAINERS
    assert {row["name"] for row in found.get("environments")["data"]} == {"shop"}
    assert [(row["name"], row["scale"]) for row in found.get("services")["data"]] == [("web", 4)]
    assert [row["name"] for row in found.get("hosts")["data"]] == ["vm"]


def test_the_session_goes_on(portal: PortalProcess):
    headers = {"Authorization": f"Bearer {NOTES['jwt']}", "Accept": "application/json"}
    answer = requests.get(f"{portal.base}/v1/projects", headers=headers, timeout=30)
    assert {row["name"]: row["type"] for row in answer.json()["data"]} == {"Default": "project", "Second": "project"}


def test_old_operations_and_entries_keep_their_v1_words(portal: PortalProcess):
    found = api(portal, "accountKey")
    processes = found.get("processinstances?limit=-1")["data"]
    words = {(row["resourceType"], row["processName"]) for row in processes}
    assert {("environment", "environment.update"), ("project", "project.update")} <= words
    assert {row["resourceId"] for row in processes if row["resourceType"] == "project"} == {"1a5", "1a6"}
    entries = found.get("auditlogs?limit=-1")["data"]
    events = {(row["resourceType"], row["eventType"], row["resourceId"]) for row in entries}
    assert ("environment", "api.environment.create", "1e1") in events
    assert ("project", "api.project.update", "1a6") in events
    assert not [row for row in [*processes, *entries] if row["resourceType"] == "stack"]


def test_filters_speak_v1_too(portal: PortalProcess):
    found = api(portal, "accountKey")
    for query in ("resourceType=project", "eventType_prefix=api.project."):
        rows_found = found.get(f"auditlogs?{query}")["data"]
        assert {row["eventType"] for row in rows_found} == {"api.project.create", "api.project.update"}
    assert found.get("auditlogs?resourceType=stack")["data"] == []
    assert {row["processName"] for row in found.get("processinstances?resourceType=environment")["data"]} == {
        "environment.create",
        "environment.update",
    }


def test_new_entries_follow_on_the_old_ones(portal: PortalProcess):
    found = api(portal, "environmentKey")
    found.request("PUT", "environments/1e1", {"description": "after the upgrade"})
    newest = portal.rows("SELECT event, kind, format FROM control_auditentry ORDER BY id DESC LIMIT 1")
    assert newest == [("stack.update", "stack", 2)]
    [entry] = found.get("auditlogs?sort=id&order=desc&limit=1")["data"]
    assert (entry["eventType"], entry["resourceType"]) == ("api.environment.update", "environment")
    done = manage(portal.data_dir, "audit_verify")
    assert done.returncode == 0, done.stdout


def test_the_migration_on_postgresql(roles: RoleProcesses):
    seen = json.loads(roles.manage("shell", "-v", "0", "-c", _UPGRADE_SCRIPT).splitlines()[-1])
    assert seen["intact"]
    assert seen["entries"] == [
        ["environment", "environment.create"],
        ["stack", "stack.update"],
        ["service", "service.create"],
        ["", "environment." + "x" * 88],
    ]
    assert seen["operations"] == [["environment", "environment.update"], ["stack", "stack.remove"]]


# The last event fills the old column: its action is what a client made up.
_UPGRADE_SCRIPT = """
import hashlib
import json
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from apps.control.audit.verify import verify
from apps.control.models import AuditEntry, Operation
from apps.core.encrypted import sign

executor = MigrationExecutor(connection)
old = executor.migrate([("control", "0005_operation_open_index"), ("accounts", "0006_second_factor")]).apps
environment = old.get_model("environments", "Environment").objects.create(pk=7, name="Lab", desired="active")
digest, at = "", timezone.now()
names = ["project.create", "environment.update", "service.create", "project." + "x" * 88]
for number, event in enumerate(names, 1):
    kind = event.partition(".")[0] if number < 4 else ""
    values = [digest, 7, at.isoformat(), None, "api", "", event, kind, number, "", "", {"n": number}, None]
    previous, digest = digest, hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    old.get_model("control", "AuditEntry").all_objects.create(
        environment=environment, at=at, via="api", event=event, kind=kind, target=number, request={"n": number},
        before=previous, digest=digest, number=number,
    )
old.get_model("control", "AuditHead").objects.create(
    environment_number=7, digest=digest, length=4, seal=sign(f"end:7:4:{digest}")
)
for kind, action in (("project", "update"), ("environment", "remove")):
    old.get_model("control", "Operation").all_objects.create(
        environment=environment, via="api", name=f"{kind}.{action}", kind=kind, target=7, generation=1
    )
executor = MigrationExecutor(connection)
executor.migrate(executor.loader.graph.leaf_nodes())
print(json.dumps({
    "intact": verify(7).is_intact,
    "entries": list(AuditEntry.all_objects.order_by("pk").values_list("kind", "event")),
    "operations": list(Operation.all_objects.order_by("pk").values_list("kind", "name")),
}))
"""
