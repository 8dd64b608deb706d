"""Twenty containers of one local image on one engine, three ways: each answers the seconds it took."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.docker.portal_process import Api, PortalProcess, wait_until

COUNT = 20
IMAGE = "bb:local"
_COMPOSE = f"""version: "2.4"
services:
  web:
    image: {IMAGE}
    ports: ["80"]
"""


@dataclass
class DeploymentMethods:
    """The three ways, warm: networks are made and programs are in the page cache before anything is measured."""

    portal: PortalProcess
    api: Api
    engine_url: str
    folder: Path
    api_times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._client = docker.APIClient(base_url=self.engine_url, version="auto", num_pools=8)
        self._client.create_network("bench-sdk", driver="bridge")
        (self.folder / "docker-compose.yml").write_text(_COMPOSE)

    def corral(self) -> float:
        """From the request that makes the service until the engine has started them all.

        The engine's events are the measure, because polling the API would be a load of its own; when the API
        reports it is kept in `api_times`.
        """
        number = next(self._numbers)
        stack = self.api.create("environments", name=f"bench{number}")
        self.api.until_state(stack, "active")
        launch = {"imageUuid": f"docker:{IMAGE}", "ports": ["80/tcp"]}
        wanted = {"name": "web", "environmentId": stack["id"], "scale": COUNT, "launchConfig": launch}
        with ThreadPoolExecutor(1) as pool:
            events = self._client.events(decode=True, filters={"event": "start"})
            last = pool.submit(self._last_start, events)
            began = time.perf_counter()
            service = self.api.create("services", startOnCreate=True, **wanted)
            took = last.result(120) - began
            events.close()
        wait_until(lambda: self.api.reload(service)["state"] == "active", seconds=60, what="active", pause=0.02)
        self.api_times.append(time.perf_counter() - began)
        self._all_run(f"bench{number}_web_")
        self.api.delete(stack)
        self.api.until_state(stack, "removed", "purged", seconds=60)
        return took

    def _last_start(self, events: Iterable[Any]) -> float:
        for _ in itertools.islice(events, COUNT):
            moment = time.perf_counter()
        return moment

    def sdk(self) -> float:
        """The docker SDK with a pool of four threads: about the limit of what an engine does."""
        tag = f"sdk{next(self._numbers)}_"

        def one(number: int) -> str:
            host = self._client.create_host_config(port_bindings={80: None}, network_mode="bench-sdk")
            made = self._client.create_container(IMAGE, ports=[80], host_config=host, name=f"{tag}{number}")
            self._client.start(made["Id"])
            return str(made["Id"])

        with self._without_portal():
            began = time.perf_counter()
            with ThreadPoolExecutor(4) as pool:
                ids = list(pool.map(one, range(COUNT)))
            took = time.perf_counter() - began
            self._all_run(tag)
            self._remove(ids)
        return took

    def compose(self) -> float:
        """docker-compose 1.29 of the distribution."""
        command = ["docker-compose", "-p", "bench-compose", "--ansi", "never"]
        with self._without_portal():
            began = time.perf_counter()
            self._compose([*command, "up", "-d", "--scale", f"web={COUNT}"])
            took = time.perf_counter() - began
            self._all_run("bench-compose_web_")
            self._compose([*command, "rm", "-s", "-f"])  # its network stays for the next round
        return took

    @contextlib.contextmanager
    def _without_portal(self) -> Iterator[None]:
        """Hold the portal still: it would take in what others deploy, and slow them down."""
        assert self.portal.process is not None
        self.portal.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.portal.process.send_signal(signal.SIGCONT)

    def _compose(self, command: list[str]) -> None:
        environment = {**os.environ, "DOCKER_HOST": self.engine_url, "COMPOSE_PARALLEL_LIMIT": "64"}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _all_run(self, prefix: str) -> None:
        listed = self._client.containers(filters={"name": prefix, "status": "running"})
        assert len(listed) == COUNT, f"{prefix}: {len(listed)} of {COUNT} run"

    def _remove(self, ids: list[str]) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda key: self._client.remove_container(key, force=True), ids))

    def close(self) -> None:
        """Let go of the engine."""
        self._client.close()


def has_compose() -> bool:
    """Whether docker-compose 1.29 is installed; `make bench` installs it where that can be done."""
    return shutil.which("docker-compose") is not None


def measure_recovery(api: Api, engine_url: str, how: str, runs: int = 5) -> list[float]:
    """Seconds from the return of `docker kill` or `docker rm -f` to a running container of the same name."""
    client = docker.APIClient(base_url=engine_url, version="auto")
    stack, service = api.deploy(f"heal-{how}", "web", 3)
    api.until_state(service, "active")
    name = f"heal-{how}_web_1"
    found = []
    for _ in range(runs):
        time.sleep(
            11
        )  # one that dies within ten seconds of its start is in a crash loop, and waits before it runs again
        before = client.inspect_container(name)
        began = time.perf_counter()
        if how == "kill":
            client.kill(name)
        else:
            client.remove_container(name, force=True)
        wait_until(
            lambda previous=before: _was_restarted(client, name, previous),
            seconds=20,
            what=f"{name} runs again",
            pause=0.01,
        )
        found.append(time.perf_counter() - began)
    api.delete(stack)
    api.until_state(stack, "removed", "purged", seconds=60)
    client.close()
    return found


def _was_restarted(client: docker.APIClient, name: str, previous: dict[str, Any]) -> bool:
    try:
        now = client.inspect_container(name)
    except docker.errors.NotFound:
        return False
    return bool(now["State"]["Running"]) and now["State"]["StartedAt"] != previous["State"]["StartedAt"]
