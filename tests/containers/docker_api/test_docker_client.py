"""Docker's own client, as Debian packages it, on the API of a host whose engine is in memory."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from apps.containers.docker_api.connection import DockerConnection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.docker]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class SocketPipe:
    """The client's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, timeout: float | None) -> bytes:
        self._connection.settimeout(timeout)
        return self._connection.recv(8192)

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)


@pytest.fixture(params=["", "1.24"])
def docker(request: Any, api_as: Any, containers: Any, tmp_path: Path) -> Iterator[Run]:
    """Runs the client as alice, in the newest version of the API and in that of Docker 1.12."""
    path = tmp_path / "docker.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)

    def serve(connection: socket.socket) -> None:
        with connection:
            DockerConnection(api_as("alice"), SocketPipe(connection)).serve()
            connections.close_all()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    version = {"DOCKER_API_VERSION": request.param} if request.param else {}
    environment = {**os.environ, **version, "DOCKER_HOST": f"unix://{path}", "DOCKER_CONFIG": str(tmp_path)}

    def run(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}
        return subprocess.run(["docker", *words], check=False, env=environment, input=typed, **options)

    yield run
    listener.close()


def test_a_client_lists_reads_and_enters_what_is_the_environment_s(docker: Run, containers: Any, sim: Any):
    sim.write_log(containers.mine, "out")
    sim.write_log(containers.mine, "err", "stderr")
    listed = docker("ps", "--no-trunc", "--quiet")
    assert (listed.stdout, listed.stderr) == (f"{containers.mine}\n", "")
    logs = docker("logs", "--tail", "5", containers.mine)
    assert (logs.stdout, logs.stderr) == ("out\n", "err\n")
    assert docker("exec", "-i", containers.mine, "sh", typed="exit 7\n").returncode == 7
    assert docker("exec", "-i", containers.mine, "cat", typed="typed").stdout == "typed"
    assert docker("inspect", "--format", "{{.Name}}", "web").stdout == "/r-web\n"
    assert docker("exec", "-d", containers.mine, "true").returncode == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("exec {theirs} ls", "No such container"),
        ("logs {theirs}", "No such container"),
        ("exec --privileged {mine} ls", "A command with all rights"),
        ("rm -f {mine}", "Corral does not offer DELETE"),
        ("create bb:local", "Corral does not offer POST"),
        ("cp {mine}:/etc/passwd -", "Corral does not offer"),
        ("images", "Corral does not offer GET"),
    ],
)
def test_a_client_says_why_it_is_refused(docker: Run, containers: Any, words: str, reason: str):
    done = docker(*words.format(mine=containers.mine, theirs=containers.theirs).split())
    assert done.returncode
    assert f": {reason}" in done.stderr  # what stands before it differs between clients
