"""The portal's roles (web, worker, beat, gateway) as separate processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import redis

from tests.docker.portal_process import (
    DEFAULT_ENVIRONMENT,
    PASSWORD,
    ROOT,
    Api,
    clean_environment,
    free_port,
    wait_until,
)

_FRONT_DOOR = "portal.front_door.http_protocol"
_CELERY = ("celery", "-A", "celery_app")
COMMANDS = {
    "web": (
        *("uvicorn", "portal.asgi:application", "--lifespan", "off", "--timeout-keep-alive", "75"),
        *("--http", f"{_FRONT_DOOR}:GuardedHttpProtocol", "--ws", f"{_FRONT_DOOR}:GuardedWebSocketProtocol", "--port"),
    ),
    "gateway": ("manage.py", "gateway"),
    "worker": (*_CELERY, "worker", "-P", "threads", "-c", "4", "-l", "warning"),
    "beat": (*_CELERY, "beat", "-l", "warning", "--schedule"),
}


class RoleProcesses:
    """An installation spread over processes; any role may be started and ended at any time."""

    def __init__(self, home: Path, database_url: str, redis_url: str) -> None:
        self.home, self.port = home, free_port()
        self.listen("127.0.0.1")
        self._redis_url = redis_url
        self._environment = clean_environment(
            DATA_DIR=str(home), DATABASE_URL=database_url, REDIS_URL=redis_url, TUNNEL_HOST="127.0.0.1"
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def listen(self, address: str) -> None:
        """Have the web role answer there, for others to reach it."""
        self.address, self.base = address, f"http://{address}:{self.port}"

    def manage(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def prepare(self, engine_url: str = "") -> Api:
        """A migrated database brought to a portal with one host (or none); a client with an environment key."""
        self.manage("first_admin", "--login", "root", stdin=f"{PASSWORD}\n")
        if engine_url:
            self.manage("shell", "-c", _FIRST_HOST.format(url=engine_url))
        key = json.loads(self.manage("api_key", "--login", "root", "--environment", DEFAULT_ENVIRONMENT))
        return Api(self.base, key["accessKey"], key["secretKey"])

    def start(self, name: str) -> None:
        """Start a role; the web role is waited for."""
        command = list(COMMANDS[name])
        command += {"web": [str(self.port), "--host", self.address], "beat": [str(self.home / "schedule")]}.get(
            name, []
        )
        start = [sys.executable] if command[0] == "manage.py" else [sys.executable, "-m"]
        with self.log(name).open("ab") as log:
            process = subprocess.Popen([*start, *command], cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        self._running[name] = process
        if name == "web":
            wait_until(self._answers, seconds=120, what=f"the web role ({self.log('web')})")

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def _answers(self) -> bool:
        connection = HTTPConnection(self.address, self.port, timeout=30)
        try:
            connection.request("GET", "/login")
            return connection.getresponse().status < 500
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask a role to end; its exit code."""
        process = self._running.pop(name)
        process.send_signal(number)
        return process.wait(60)

    def end_all(self) -> None:
        for name in list(self._running):
            self.end(name, signal.SIGKILL)

    def empty_queue(self) -> None:
        """Lose every queued reconcile."""
        with redis.Redis.from_url(self._redis_url) as client:
            client.flushall()

    def let_leases_run_out(self) -> None:
        """As if a minute and a half had gone by since somebody was killed; tests/control tests the clock of it."""
        self.manage("shell", "-c", _LEASES_RUN_OUT)

    def complaints(self) -> list[str]:
        """What the roles wrote that somebody should look at."""
        lines = [
            line for name in COMMANDS if self.log(name).exists() for line in self.log(name).read_text().splitlines()
        ]
        return [line for line in lines if "Traceback" in line or " ERROR " in line]


_LEASES_RUN_OUT = """
from django.utils import timezone
from apps.control.kinds import KINDS
for kind in KINDS.values():
    kind.model.all_objects.exclude(lease="").update(lease_until=timezone.now(), next_attempt_at=timezone.now())
"""
_FIRST_HOST = """
from apps.environments.services import ensure_default_environment
from apps.hosts.services import host_create
host_create(actor=None, environment=ensure_default_environment(), url="{url}")
"""
