"""PostgreSQL and Redis from the distribution's packages, started for the tests as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.docker.portal_process import free_port, wait_until
from tests.servers.role_processes import RoleProcesses

_USER = "postgres"


def _unprivileged(folder: Path) -> list[str]:
    """What to put before a command so that it does not run as root; the folder becomes that user's."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, _USER)
    return ["setpriv", f"--reuid={_USER}", f"--regid={pwd.getpwnam(_USER).pw_gid}", "--clear-groups", "--"]


def _binary(name: str) -> str:
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert newest, "PostgreSQL is not installed (apt-get install postgresql)"
    return str(newest[-1])


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="corral-servers-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def _ended(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    process.send_signal(number)
    process.wait(60)


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a server without databases."""
    home, port = folder / "postgres", free_port()
    home.mkdir(mode=0o700)
    user, data = _unprivileged(home), home / "data"
    initdb = [_binary("initdb"), "-D", str(data), "-U", "corral", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    _run([*user, *initdb, "--auth=trust"], home)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(home), "-c", "fsync=off"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([*user, _binary("postgres"), "-D", str(data), *options], stdout=log, stderr=log)
    ready = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    try:
        wait_until(
            lambda: subprocess.run(ready, check=False, timeout=10).returncode == 0, seconds=120, what="PostgreSQL"
        )
        yield f"postgres://corral@127.0.0.1:{port}"
    finally:
        _ended(server, signal.SIGINT)  # the fast stop: sessions are ended


@pytest.fixture(scope="session")
def redis(folder: Path) -> Iterator[str]:
    """The URL of an empty server."""
    home, port = folder / "redis", free_port()
    home.mkdir(mode=0o700)
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(home)]
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen([*_unprivileged(home), "redis-server", *options], stdout=log, stderr=log)
    ping = ["redis-cli", "-p", str(port), "ping"]
    try:
        wait_until(
            lambda: subprocess.run(ping, check=False, capture_output=True, timeout=10).stdout == b"PONG\n",
            seconds=60,
            what="Redis",
        )
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        _ended(server, signal.SIGTERM)


@pytest.fixture
def database(postgres: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, the test's own."""
    return _create_database(postgres, folder, _name_of(request))


@pytest.fixture(scope="session")
def migrated(postgres: str, folder: Path, redis: str) -> str:
    """The name of a database with every migration, to be copied: each takes longer than most tests."""
    RoleProcesses(folder, _create_database(postgres, folder, "migrated"), redis).manage("migrate", "--verbosity", "0")
    return "migrated"


@pytest.fixture
def roles(
    tmp_path: Path, postgres: str, migrated: str, redis: str, folder: Path, request: pytest.FixtureRequest
) -> Iterator[RoleProcesses]:
    """The portal's roles as processes of their own, on those servers."""
    copy = _create_database(postgres, folder, _name_of(request), f"--template={migrated}")
    made = RoleProcesses(tmp_path, copy, redis)
    made.empty_queue()
    yield made
    made.end_all()


def _name_of(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W", "_", request.node.name)[-60:]


def _create_database(postgres: str, folder: Path, name: str, *options: str) -> str:
    _run([_binary("createdb"), "--maintenance-db", f"{postgres}/postgres", *options, name], folder)
    return f"{postgres}/{name}"
