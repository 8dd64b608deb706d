"""A host that joined by TLS: its system container connects it with hosts that have agents, and is always there."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import docker.errors
import pytest

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.drill.cluster import registration_url
from tests.drill.host_agent import HostAgent
from tests.fleet.fleet import TLS, Fleet

pytestmark = pytest.mark.docker

NAME = "corral-system"


class MixedSite:
    """A portal with two hosts that have agents, and one that it reaches by TLS."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.host = fleet, fleet.hosts[TLS]
        folder = fleet.folder / "system-portal"
        folder.mkdir()
        self.portal = PortalProcess(folder / "portal", "unix:///nonexistent.sock", BIND=fleet.switch.portal)
        self.portal.data_dir.mkdir()
        for engine in fleet.engines.values():
            engine.remove_containers()
        self.images_before = self.images()  # other portals had this engine before
        self.portal.start()
        self.api: Api = self.portal.api()
        url = registration_url(self.api)
        self.agents = [HostAgent(host) for number, host in fleet.hosts.items() if number != TLS]
        for agent in self.agents:
            agent.start(url)
        self.row = self.join()
        wait_until(self.networks_work, seconds=180, what="three hosts in the network", pause=0.2)

    def images(self) -> set[str]:
        """The names of images on the host that joins by TLS."""
        return {tag for each in self.host.terminal.images() for tag in each["RepoTags"] or ()}

    def join(self) -> Any:
        """Add the host with TLS, as somebody with its certificates does."""
        friend = self.fleet.authority.issue("portal", client=True)
        return self.api.create(
            "engineendpoints",
            url=f"tcp://{self.host.address}:2376",
            ca=self.fleet.authority.pem,
            cert=friend.cert,
            key=friend.key,
        )

    def networks_work(self) -> bool:
        rows = self.portal.rows("SELECT state, reason, peers FROM network_hostnetwork")
        return [row[0] for row in rows] == ["active"] * 3

    def report(self) -> dict[str, Any]:
        """What the API says of the system container."""
        row = self.api.reload(self.row)
        return {"state": row["systemContainerState"], "message": row["systemContainerMessage"]}

    def container(self) -> dict[str, Any] | None:
        """The system container as the engine has it."""
        found = self.host.terminal.containers(all=True, filters={"name": NAME})
        return dict(found[0]) if found else None

    def process(self) -> str:
        """Its first process as its host numbers it; empty while there is none."""
        with contextlib.suppress(docker.errors.APIError):
            return str(self.host.terminal.inspect_container(NAME)["State"]["Pid"] or "")
        return ""

    def reaches(self, row: Any, target: str) -> bool:
        """Whether a container, as it is now, hears of the target; not while it is on no engine."""
        for host in self.fleet.hosts.values():
            with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
                made = host.terminal.exec_create(row["externalId"], ["ping", "-c1", "-W1", target])
                return b" 0% packet loss" in host.terminal.exec_start(made["Id"])
        return False

    def everybody_is_reached(self, prefix: str) -> bool:
        """Whether three containers run, and reach each other by address and by name, in all directions."""
        rows = [row for row in self.api.containers(prefix) if row["state"] == "running"]
        targets = [each[key] for each in rows for key in ("primaryIpAddress", "name")]
        return len(rows) == 3 and all(self.reaches(row, target) for row in rows for target in targets)

    def health(self, prefix: str) -> list[Any]:
        return [row["healthState"] for row in self.api.containers(prefix)]

    def close(self) -> None:
        for agent in self.agents:
            agent.end(signal.SIGKILL)
        if self.portal.process is not None:
            self.portal.end(signal.SIGKILL)
        self.fleet.remove_containers()


@pytest.fixture(scope="module")
def site(fleet: Fleet) -> Iterator[MixedSite]:
    made = MixedSite(fleet)
    yield made
    made.close()


def deploy(site: MixedSite, stack: str) -> list[Any]:
    """A healthy container on each host."""
    made = site.api.create("environments", name=stack)
    config = {"imageUuid": "docker:bb:local", "stopSignal": "SIGKILL"}
    check = {"port": 80, "requestLine": "GET / HTTP/1.0", "interval": 500, "responseTimeout": 2000}
    check |= {"healthyThreshold": 1, "unhealthyThreshold": 3}
    site.api.create(
        "services",
        startOnCreate=True,
        name="web",
        environmentId=made["id"],
        scale=3,
        launchConfig={**config, "healthCheck": check},
    )
    rows = site.api.until_running(f"{stack}_web_", 3, seconds=120)
    assert len({row["hostId"] for row in rows}) == 3
    return rows


def until_everybody_is_reached(site: MixedSite, after: str) -> None:
    wait_until(partial(site.everybody_is_reached, "always_"), seconds=180, what=f"all pings {after}")


def until_there_again(site: MixedSite, before: str) -> None:
    """Until the system container runs as another process than `before`, and the portal has its reports."""

    def is_there() -> bool:
        found = site.container()
        return found is not None and found["State"] == "running" and site.process() not in {"", before}

    wait_until(is_there, seconds=60, what="the system container to be there again")
    wait_until(lambda: site.report()["state"] == "active", seconds=60, what="its reports")


def test_it_connects_its_host_and_is_always_there(site: MixedSite):
    rows = deploy(site, "always")
    until_everybody_is_reached(site, "at first")
    wait_until(lambda: site.health("always_") == ["healthy"] * 3, seconds=120, what="three healthy containers")
    assert "corral-wg" in site.host.run("ip", "link")
    assert site.report() == {"state": "active", "message": ""}
    assert [row["name"] for row in site.api.containers() if row["name"].startswith("corral")] == []

    before = site.process()
    site.host.run("kill", "-9", before)
    until_there_again(site, before)
    until_everybody_is_reached(site, "after its end")

    before = site.process()
    site.host.terminal.remove_container(NAME, force=True)
    until_there_again(site, before)
    until_everybody_is_reached(site, "after its removal")

    site.portal.end(signal.SIGKILL)
    before = site.process()
    site.host.run("kill", "-9", before)
    wait_until(lambda: site.process() not in {"", before}, seconds=60, what="its restart without the portal")
    for row in rows:
        for target in [each[key] for each in rows for key in ("primaryIpAddress", "name")]:
            wait_until(partial(site.reaches, row, target), seconds=90, what=f"{row['name']} without the portal")
    site.portal.start()
    wait_until(lambda: site.report()["state"] == "active", seconds=60, what="its reports to the new portal")

    site.fleet.engines[TLS].end()
    site.fleet.engines[TLS].restart()
    until_there_again(site, "")
    until_everybody_is_reached(site, "after the engine's restart")
    (stack,) = site.api.get("environments?name=always")["data"]
    site.api.delete(stack)
    wait_until(lambda: site.api.containers("always") == [], seconds=120, what="the stack's end")


def test_a_host_that_leaves_has_nothing_left(site: MixedSite):
    wait_until(site.networks_work, seconds=120, what="three hosts in the network", pause=0.2)
    site.api.act(site.api.reload(site.row), "deactivate")
    site.api.delete(site.api.until_state(site.row, "inactive"))
    wait_until(lambda: site.container() is None, seconds=90, what="the system container's end")
    site.api.until_state(site.row, "removed", "purged", seconds=90)
    links = site.host.run("ip", "-o", "addr")
    assert ("corral" in links, "169.254.169.250" in links) == (False, False), links
    assert "corral" not in site.host.run("nft", "list", "tables")
    assert "corral" not in {each["Name"] for each in site.host.terminal.networks()}

    def leftover() -> set[str]:
        return site.images() - site.images_before

    with contextlib.suppress(AssertionError):
        wait_until(lambda: not leftover(), seconds=60, what="the end of its image, which follows the container's")
    assert leftover() == set()
