"""A portal with pretend hosts in its network, and what containers there ask and are answered."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.docker.portal_process import (
    Api,
    PortalProcess,
    wait_until,
)
from tests.drill.cluster import registration_url
from tests.drill.host_agent import HostAgent
from tests.fleet.fleet import Fleet
from tests.fleet.host import Host

SLEEP = ["sh", "-c", "trap exit TERM; while :; do sleep 600 & wait; done"]
PATIENCE = 180.0  # seconds, for whatever a busy machine takes its time with
_ADDRESS = re.compile(r"^Name:.*\nAddress: ([\d.]+)$", re.MULTILINE)


class Shop:
    """Hosts 1 and 2 of one environment, and what asks and is asked there."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.portal = PortalProcess(folder / "portal", "unix:///nonexistent.sock", BIND=fleet.switch.portal)
        self.portal.data_dir.mkdir()
        self.portal.start()
        self.api = self.portal.api()
        self.places: dict[str, tuple[Host, str]] = {}
        self.agents: dict[int, HostAgent] = {}
        self.complaints: list[str] = []  # of what could not be read

    def open(self) -> None:
        """Register the hosts, and wait for the managed network."""
        for engine in self.fleet.engines.values():  # what another portal left runs under the same names
            engine.remove_containers()
        self.join(self.api, 1, 2)

    def join(self, api: Api, *numbers: int) -> None:
        """Let hosts register in the environment that `api` speaks for, and wait for the managed network of all."""
        url = registration_url(api)
        for number in numbers:
            self.agents[number] = HostAgent(self.fleet.hosts[number])
            self.agents[number].start(url)
        self.until_networks_work()

    def until_networks_work(self) -> None:
        """Wait until every host has reported that its part of the managed network is as it should be."""
        query = "SELECT 1 FROM network_hostnetwork WHERE state = 'active'"
        wait_until(
            lambda: len(self.portal.rows(query)) == len(self.agents),
            seconds=180,
            what="the managed network of all hosts",
        )

    def new_environment(self, name: str) -> Api:
        """Another environment; the API as it is used there."""
        key = json.loads(self.portal.manage("api_key", "--login", "root"))
        made = Api(self.portal.base, key["accessKey"], key["secretKey"]).create("projects", name=name)
        number = made["id"].removeprefix("1a")
        key = json.loads(self.portal.manage("api_key", "--login", "root", "--environment", number))
        return Api(self.portal.base, key["accessKey"], key["secretKey"])

    def close(self) -> None:
        """End what runs; nothing on the hosts is needed any more."""
        for agent in self.agents.values():
            agent.end(signal.SIGKILL)
        if self.portal.process is not None:
            self.portal.end(signal.SIGKILL)
        self.fleet.remove_containers()

    def service(self, stack: Any, name: str, scale: int = 1, **launch: Any) -> Any:
        config = {"imageUuid": "docker:bb:local", "command": SLEEP, "stopSignal": "SIGKILL", **launch}
        return self.api.create(
            "services", name=name, environmentId=stack["id"], scale=scale, launchConfig=config, startOnCreate=True
        )

    def addresses(self, prefix: str) -> set[str]:
        return {row["primaryIpAddress"] for row in self.api.containers(prefix)}

    def until_addressed(self, *prefixes: str) -> None:
        """Wait until all of these containers are known with an address of the managed network, and no other."""
        until = time.monotonic() + PATIENCE
        while True:
            rows = [row for prefix in prefixes for row in self.api.containers(prefix)]
            others = [row for row in rows if not row["primaryIpAddress"].startswith("10.42.")]
            if rows and not others:
                return
            assert time.monotonic() < until, others
            time.sleep(0.2)

    def look(self) -> None:
        """Note where the containers are: the portal will be away."""
        names = {row["id"]: row["hostname"] for row in self.api.get("hosts")["data"]}
        for row in self.api.containers():
            host = self.fleet.hosts[int(names[row["hostId"]].removeprefix("h"))]
            self.places[row["name"]] = host, row["externalId"]

    def on_host(self, prefix: str, number: int) -> str:
        """The container of that name that is on a host, as it was when last looked."""
        return next(
            name for name, (host, _) in self.places.items() if name.startswith(prefix) and host.number == number
        )

    def run(self, container: str, *command: str) -> str:
        """What a command in a container printed."""
        host, engine_id = self.places[container]
        output: bytes = host.terminal.exec_start(host.terminal.exec_create(engine_id, list(command))["Id"])
        return output.decode()

    def reaches(self, container: str, name: str) -> bool:
        return " 0% packet loss" in self.run(container, "ping", "-c", "1", "-W", "1", name)

    def answers(self, container: str, name: str) -> list[str]:
        """The addresses of a name in the order in which a container gets them."""
        return addresses_in(self.run(container, "nslookup", name))

    def asks(self, container: str, name: str) -> tuple[set[str], float]:
        """What a container is told when it looks a name up, and the seconds it took."""
        began = time.monotonic()
        return set(self.answers(container, name)), time.monotonic() - began

    def reads(self, container: str, url: str, *headers: str) -> str:
        """What a container gets from a web server; empty without an answer, or for anything but success."""
        given = [word for header in headers for word in ("--header", header)]
        host, engine_id = self.places[container]
        command = host.terminal.exec_create(engine_id, ["wget", "-q", "-O-", *given, url])["Id"]
        output, error = host.terminal.exec_start(command, demux=True)
        if error:
            self.complaints.append(f"{container}, {url}: {error.decode(errors='replace').strip()}")
        return (output or b"").decode()

    def until_all_know(self, asking: str, expected: Mapping[str, set[str]]) -> None:
        """Wait until both containers of the service get these answers."""
        for container in (f"{asking}_1", f"{asking}_2"):
            left = dict(expected)
            deadline = time.monotonic() + 60
            while left:
                found = {name: self.asks(container, name)[0] for name in left}
                left = {name: wanted for name, wanted in left.items() if found[name] != wanted}
                assert not left or time.monotonic() < deadline, (container, left, found, self.documents("names"))

    def documents(self, name: str) -> dict[int, Any]:
        """What the agents have of a subject."""
        return {number: self.document(name, number) for number in self.agents}

    def document(self, name: str, number: int) -> Any:
        path = self.fleet.hosts[number].folder / "rancher" / "corral" / "documents" / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else {}


def until(condition: Callable[[], object], what: str, pause: float = 0.05) -> None:
    """Wait, as long as patience lasts, until the condition holds."""
    wait_until(condition, seconds=PATIENCE, what=what, pause=pause)


def addresses_in(said: str) -> list[str]:
    """What `nslookup` has found."""
    return _ADDRESS.findall(said)
