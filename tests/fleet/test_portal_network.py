"""A portal and three hosts with agents and real engines: a container that moves keeps its address, at once."""

from __future__ import annotations

import contextlib
import json
import signal
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.drill.cluster import registration_url
from tests.drill.host_agent import HostAgent
from tests.fleet.fleet import Fleet

pytestmark = pytest.mark.docker

STAY = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"]


class Site:
    """The portal with its hosts, and what is seen on their engines."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        folder = fleet.folder / "network-portal"
        folder.mkdir()
        self.portal = PortalProcess(folder / "portal", "unix:///nonexistent.sock", BIND=fleet.switch.portal)
        self.portal.data_dir.mkdir()
        self.portal.start()
        self.api: Api = self.portal.api()
        url = registration_url(self.api)
        self.agents = [HostAgent(host) for host in fleet.hosts.values()]
        for agent in self.agents:
            agent.start(url)
        wait_until(self.networks_work, seconds=180, what="three hosts in the network", pause=0.2)

    def networks_work(self) -> bool:
        query = "SELECT state, reason, peers FROM network_hostnetwork"
        return [row[0] for row in self.portal.rows(query)] == ["active"] * len(self.agents)

    def deploy(self, stack: str, scale: int, **service: Any) -> Any:
        made = self.api.create("environments", name=stack)
        config = {"imageUuid": "docker:bb:local", "command": STAY, "stopSignal": "SIGKILL"}
        return self.api.create(
            "services", startOnCreate=True, name="web", environmentId=made["id"], scale=scale, launchConfig=config,
            **service,
        )  # fmt: skip

    def inspect(self, row: Any) -> tuple[Any, dict[str, Any]]:
        """The engine that has the container, and what it says of it."""
        for host in self.fleet.hosts.values():
            for seen in host.terminal.containers(all=True):
                if seen["Id"] == row["externalId"]:
                    return host.terminal, host.terminal.inspect_container(seen["Id"])
        raise AssertionError(f"{row['name']} is on no engine")

    def ping(self, row: Any, address: str, count: int = 1) -> str:
        """What `ping` says of an address, in a container."""
        engine, seen = self.inspect(row)
        made = engine.exec_create(seen["Id"], ["ping", f"-c{count}", "-W1", "-i0.2", address])
        return str(engine.exec_start(made["Id"]).decode())

    def close(self) -> None:
        for agent in self.agents:
            agent.end(signal.SIGKILL)
        if self.portal.process is not None:
            self.portal.end(signal.SIGKILL)
        self.fleet.remove_containers()


@pytest.fixture(scope="module")
def site(fleet: Fleet) -> Iterator[Site]:
    made = Site(fleet)
    yield made
    made.close()


def show(figure: str) -> None:
    sys.stdout.write(f"\n{figure}\n")


def reaches(site: Site, row: Any, address: str) -> bool:
    return " 0% packet loss" in site.ping(row, address)


def successors(site: Site, gone: Any) -> list[Any]:
    rows = site.api.containers(gone["name"])
    return [row for row in rows if row["id"] != gone["id"] and row["state"] == "running"]


def test_a_container_that_moves_takes_its_address_along_and_a_dead_portal_hinders_nobody(site: Site):
    site.deploy("moves", 1, retainIp=True)
    site.deploy("looks", 3)
    (moving,) = site.api.until_running("moves_web_", 1)
    lookers = site.api.until_running("looks_web_", 3)
    looker = next(row for row in lookers if row["hostId"] != moving["hostId"])
    address = moving["primaryIpAddress"]
    assert wait_until(lambda: reaches(site, looker, address), seconds=120, what="the first ping")
    host = site.api.get(f"hosts/{moving['hostId']}")
    site.api.act(host, "deactivate")
    site.api.delete(moving)
    down = time.monotonic()
    wait_until(lambda: not reaches(site, looker, address), seconds=120, what="the old one gone", pause=0)
    (moved,) = wait_until(lambda: successors(site, moving), seconds=120, what="the new one")
    assert (moved["primaryIpAddress"], moved["hostId"] != moving["hostId"]) == (address, True)
    wait_until(lambda: reaches(site, looker, address), seconds=10, what="the moved container at once", pause=0)
    show(f"moved with its address; it was away for {time.monotonic() - down:.1f} s")
    site.api.act(site.api.reload(host), "activate")
    began = {row["name"]: site.inspect(row)[1]["State"]["StartedAt"] for row in lookers}
    site.portal.end(signal.SIGKILL)
    assert " 0% packet loss" in site.ping(looker, address, 20)
    site.portal.start()
    wait_until(site.networks_work, seconds=180, what="three hosts in the network again", pause=0.2)
    assert began == {row["name"]: site.inspect(row)[1]["State"]["StartedAt"] for row in lookers}
    assert reaches(site, looker, address)


def test_three_hosts_check_a_container_and_replace_it_once_it_does_not_answer(site: Site):
    check = {
        "port": 80, "interval": 500, "responseTimeout": 500, "healthyThreshold": 1, "unhealthyThreshold": 3,
        "initializingTimeout": 60000, "reinitializingTimeout": 60000, "strategy": "recreate",
    }  # fmt: skip
    made = site.api.create("environments", name="checked")
    config = {
        "imageUuid": "docker:bb:local", "stopSignal": "SIGKILL", "healthCheck": check,
        "command": ["sh", "-c", f"httpd -f -p 80 & echo $! >/tmp/server; {STAY[2]}"],
    }  # fmt: skip
    site.api.create("services", startOnCreate=True, name="web", environmentId=made["id"], launchConfig=config)
    (row,) = site.api.until_running("checked_web_", 1)

    reports: list[Any] = []

    def is_found_healthy() -> bool:
        found = dict(site.portal.rows("SELECT name, check_report FROM containers_container WHERE removed IS NULL"))
        report = json.loads(found[row["name"]])
        if report not in reports:
            reports.append(report)
        return [each["state"] for each in report.get("hosts", {}).values()] == ["healthy"] * 3

    try:
        wait_until(is_found_healthy, seconds=120, what="three hosts to find it healthy")
    except AssertionError:
        raise AssertionError(f"not three hosts find it healthy; they said {reports}") from None
    engine, seen = site.inspect(row)
    engine.exec_start(engine.exec_create(seen["Id"], ["sh", "-c", "kill $(cat /tmp/server)"])["Id"])
    deaf = time.monotonic()
    wait_until(lambda: successors(site, row), seconds=120, what="another container in its place", pause=0.1)
    show(f"replaced {time.monotonic() - deaf:.1f} s after it stopped answering; its thresholds take 1.5 s")


class _Listener(socketserver.TCPServer):
    allow_reuse_address = True


@contextlib.contextmanager
def listening(address: str, port: int = 0) -> Iterator[int]:
    """The port on which somebody accepts connections for as long as the block runs."""
    with _Listener((address, port), socketserver.BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_hosts_check_an_external_service_where_it_really_is(site: Site):
    address = site.fleet.switch.portal  # in the hosts' network, but neither a host's nor a container's

    def is_found(state: str) -> bool:
        rows = site.portal.rows("SELECT check_report FROM stacks_servicemember WHERE address != ''")
        found = [each["state"] for (report,) in rows for each in json.loads(report).get("hosts", {}).values()]
        return found == [state] * 3 and site.api.reload(row)["healthState"] == state

    with listening(address) as port:
        check = {
            "port": port, "interval": 500, "responseTimeout": 500, "healthyThreshold": 1, "unhealthyThreshold": 2,
            "initializingTimeout": 60000,
        }  # fmt: skip
        made = site.api.create("environments", name="elsewhere")
        row = site.api.create(
            "externalservices", startOnCreate=True, name="mainframe", environmentId=made["id"],
            externalIpAddresses=[address], healthCheck=check,
        )  # fmt: skip
        wait_until(lambda: is_found("healthy"), seconds=60, what="found healthy")
    wait_until(lambda: is_found("unhealthy"), seconds=60, what="found unhealthy")
    with listening(address, port):
        wait_until(lambda: is_found("healthy"), seconds=60, what="found healthy again")
    site.api.delete(made)
