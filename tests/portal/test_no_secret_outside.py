"""The running portal: its secrets stand in no process's arguments, in nothing it prints, in no file others may read."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core.redact import encoded_forms

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Argv-and-log+free/password=9"
VALUE = "variable's/value+with=signs"
START_LIMIT = 120.0


def environment(folder: Path, port: int) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k not in {"DJANGO_SETTINGS_MODULE", "RUN_DIR", "REDIS_URL"}}
    ours = {"DATA_DIR": str(folder), "PORT": str(port), "BIND": "127.0.0.1", "INSTALL_DOCKER": "0"}
    return {**inherited, "DOCKER_HOST": "unix:///nowhere/docker.sock", **ours}


def manage(words: list[str], around: dict[str, str], stdin: str = "") -> str:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=around, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(port: int, path: str, body: Any = None, key: str = "") -> Any:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key:
        headers["Authorization"] = "Basic " + base64.b64encode(key.encode()).decode()
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return json.load(answer)


def family(pid: int) -> list[int]:
    """A process and everything it started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Any]:
    """A portal of its own with an administrator, and the port it answers on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    around = environment(tmp_path / "data", port)
    log = (tmp_path / "printed").open("w")
    command = [sys.executable, "-m", "portal", "serve"]
    process = subprocess.Popen(command, cwd=ROOT, env=around, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await(port, process)
        manage(["first_admin", "--login", "admin"], around, f"{PASSWORD}\n")
        yield process, port, around
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def _await(port: int, process: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until and process.poll() is None:
        try:
            ask(port, "/v1")
        except urllib.error.HTTPError as refused:  # nobody is there yet who could be let in
            if refused.code == 401:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError("the portal did not come up")


def test_arguments_output_and_files_hold_no_secret(portal: Any, tmp_path: Path):
    process, port, around = portal
    made = json.loads(manage(["api_key", "--login", "admin", "--environment", "5"], around))
    key = f"{made['accessKey']}:{made['secretKey']}"
    token = ask(port, "/v1/token", {"code": f"admin:{PASSWORD}"})["jwt"]
    launch = {"imageUuid": "docker:bb:local", "name": "box", "environment": {"DB_PASSWORD": VALUE}}
    ask(port, "/v1/projects/1a5/containers", launch, key)
    secrets = {PASSWORD, VALUE, made["secretKey"], token}
    secrets |= {path.read_text().strip() for path in (tmp_path / "data").glob("*.key")}
    assert len(secrets) >= 6
    forms = [form for secret in secrets for form in encoded_forms(secret)]
    arguments = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace") for pid in family(process.pid)}
    assert len(arguments) > 1  # the broker beside it
    assert [pid for pid, text in arguments.items() if any(form in text for form in forms)] == []
    printed = (tmp_path / "printed").read_text()
    assert printed
    assert not [form for form in forms if form in printed]
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            text = path.read_bytes().decode(errors="replace")
            assert not [form for form in forms if form in text], path
