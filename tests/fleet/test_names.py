"""Names in containers on several hosts, through their engines' own resolvers: portal, agents and engines are real."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.docker.portal_process import PortalProcess, wait_until
from tests.drill.cluster import registration_url
from tests.drill.host_agent import HostAgent
from tests.fleet.fleet import Fleet

pytestmark = pytest.mark.docker

SLEEP = ["sh", "-c", "trap exit TERM; while :; do sleep 600 & wait; done"]
_ADDRESS = re.compile(r"^Name:.*\nAddress: ([\d.]+)$", re.MULTILINE)
QUICK = 2.0  # seconds within which an answer counts as immediate here


class Shop:
    """A portal with hosts 1 and 2, and what asks and is asked there."""

    def __init__(self, fleet: Fleet, portal: PortalProcess) -> None:
        self.fleet, self.portal, self.api = fleet, portal, portal.api()
        self.places: dict[str, tuple[int, str]] = {}
        self.agents = [HostAgent(fleet.hosts[number]) for number in (1, 2)]

    def open(self) -> None:
        url = registration_url(self.api)
        for agent in self.agents:
            agent.start(url)
        wait_until(lambda: self._active_networks() == 2, seconds=180, what="the managed network of both hosts")

    def _active_networks(self) -> int:
        return len(self.portal.rows("SELECT 1 FROM network_hostnetwork WHERE state = 'active'"))

    def service(self, stack: Any, name: str, scale: int = 1, **launch: Any) -> Any:
        config = {"imageUuid": "docker:bb:local", "command": SLEEP, **launch}
        return self.api.create(
            "services", name=name, environmentId=stack["id"], scale=scale, launchConfig=config, startOnCreate=True
        )

    def addresses(self, prefix: str) -> set[str]:
        return {row["primaryIpAddress"] for row in self.api.containers(prefix)}

    def look(self) -> None:
        """Note where the containers are: the portal will be away."""
        for row in self.api.containers():
            host = self.api.get(f"hosts/{row['hostId']}")["hostname"]
            self.places[row["name"]] = int(host.removeprefix("h")), row["externalId"]

    def run(self, container: str, *command: str) -> str:
        host, engine_id = self.places[container]
        client = self.fleet.hosts[host].terminal
        output: bytes = client.exec_start(client.exec_create(engine_id, list(command))["Id"])
        return output.decode()

    def asks(self, container: str, name: str) -> tuple[set[str], float]:
        """What a container is told when it looks a name up, and the seconds it took."""
        began = time.monotonic()
        found = _ADDRESS.findall(self.run(container, "nslookup", name))
        return set(found), time.monotonic() - began

    def until_all_know(self, expected: Mapping[str, set[str]]) -> None:
        """Wait until both containers of the service get these answers."""
        for container in ("shop_web_1", "shop_web_2"):
            left = dict(expected)
            deadline = time.monotonic() + 20
            while left:
                found = {name: self.asks(container, name)[0] for name in left}
                left = {name: wanted for name, wanted in left.items() if found[name] != wanted}
                assert not left or time.monotonic() < deadline, (container, left, found, self.documents())

    def documents(self) -> list[str]:
        """What the agents have, for the one who looks for the mistake."""
        folders = [agent.host.folder / "rancher" for agent in self.agents]
        return [path.read_text() for folder in folders for path in folder.rglob("names.json")]


@pytest.fixture(scope="module")
def shop(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("names") / "portal"
    folder.mkdir()
    portal = PortalProcess(folder, "unix:///nonexistent.sock", BIND=fleet.switch.portal)
    portal.start()
    made = Shop(fleet, portal)
    try:
        made.open()
        yield made
    finally:
        for agent in made.agents:
            agent.end()
        if portal.process is not None:
            portal.end()


def fill(shop: Shop) -> None:
    """A stack with all kinds of services, and another one with a service of the same name."""
    api = shop.api
    front, back = api.create("environments", name="shop"), api.create("environments", name="back")
    here = {"environmentId": front["id"], "startOnCreate": True}
    db, other = shop.service(front, "db"), shop.service(back, "db")
    api.create("externalservices", name="out", externalIpAddresses=["192.0.2.9"], **here)
    alias = api.create("dnsservices", name="data", **here)
    api.act(alias, "setservicelinks", serviceLinks=[{"serviceId": db["id"]}, {"serviceId": other["id"], "name": "far"}])
    web = shop.service(front, "web", 2)
    api.act(web, "setservicelinks", serviceLinks=[{"serviceId": other["id"], "name": "mydb"}])
    for prefix, count in (("shop_db", 1), ("back_db", 1), ("shop_web", 2)):
        api.until_running(prefix, count)


def test_names_in_containers_through_the_engines_resolver(shop: Shop):
    fill(shop)
    shop.look()
    web, db, other = (shop.addresses(prefix) for prefix in ("shop_web", "shop_db", "back_db"))
    assert {shop.places[f"shop_web_{number}"][0] for number in (1, 2)} == {1, 2}
    assert all(each.startswith("10.42.") for each in web | db | other)
    expected = {
        "web": web,
        "web.shop": web,
        "web.shop.rancher.internal": web,
        "db": db,
        "db.back": other,
        "mydb": other,
        "data": db | other,
        "out": {"192.0.2.9"},
        "shop_db_1": db,
        "rancher-metadata": {"169.254.169.250"},
    }
    shop.until_all_know(expected)
    assert shop.asks("back_db_1", "mydb")[0] == set()  # somebody else's link
    assert shop.asks("back_db_1", "db")[0] == other

    for name in ("shop_web_2", "mydb", "data", "db.back.rancher.internal"):  # by the C library, and to another host
        assert " 0% packet loss" in shop.run("shop_web_1", "ping", "-c", "1", "-W", "5", name)

    # Without the portal all of it goes on, also after the agent was killed; others' name servers hold up nobody.
    shop.portal.end(signal.SIGKILL)
    for agent in shop.agents:
        agent.end(signal.SIGKILL)
        agent.start()
    shop.until_all_know(expected)
    unknown, seconds = shop.asks("shop_web_1", "nope.rancher.internal")
    assert (unknown, seconds < QUICK) == (set(), True)
    elsewhere, seconds = shop.asks("shop_web_1", "www.example.com")  # nobody is at the hosts' name server
    assert (elsewhere, seconds < 3 * QUICK) == (set(), True)
