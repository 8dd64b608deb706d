"""A network policy from the portal to the wire: who reaches whom, on one host and across two, and what stays open."""

from __future__ import annotations

import signal
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.docker.portal_process import wait_until
from tests.fleet.fleet import Fleet
from tests.fleet.shop import Shop

pytestmark = pytest.mark.docker

SERVE = ["sh", "-c", "mkdir /www; hostname >/www/index.html; busybox httpd -p 80 -h /www; while :; do sleep 600; done"]
# Each address that answers a ping and serves HTTP; one that is filtered costs two seconds, all of them at once.
LOOK = (
    'for a in "$@"; do'
    ' (timeout 4 sh -c "ping -c1 -W2 $a && wget -q -O- http://$a/" >/dev/null 2>&1 && echo $a) & done; wait'
)
PUBLISHED = 8088
SERVICES = ("shop_web", "shop_db", "back_log")
ALL = {each: set(SERVICES) for each in SERVICES}
DENY = {"defaultPolicyAction": "deny"}
LINKED, STACK = {"within": "linked", "action": "allow"}, {"within": "stack", "action": "allow"}


class Policed:
    """Three services with a container on each of two hosts; `db` and `web` are of one stack, `log` of another."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.api = shop, shop.api
        front, back = self.api.create("environments", name="shop"), self.api.create("environments", name="back")
        self.web, self.db = (shop.service(front, name, 2, command=SERVE) for name in ("web", "db"))
        self.log = shop.service(back, "log", 2, command=SERVE, ports=[f"{PUBLISHED}:80"])
        self.api.act(self.web, "setservicelinks", serviceLinks=[{"serviceId": self.db["id"]}])
        self.address = {}
        for prefix in SERVICES:
            for row in self.api.until_running(prefix, 2, seconds=180):
                self.address[row["name"]] = row["primaryIpAddress"]
        shop.look()
        for prefix in SERVICES:
            assert {shop.places[f"{prefix}_{number}"][0].number for number in (1, 2)} == {1, 2}

    def choose(self, **policy: Any) -> None:
        (network,) = self.api.get("networks")["data"]
        self.api.request("PUT", network["links"]["self"], policy)

    def link(self, action: str) -> None:
        """Link `web` to `log`, or take that link away."""
        self.api.act(self.api.reload(self.web), action, serviceLink={"serviceId": self.log["id"]})

    def reached(self) -> dict[str, set[str]]:
        """Of each container those that it reaches, seen in all of them at once."""
        names = {address: name for name, address in self.address.items()}

        def look(container: str) -> set[str]:
            said = self.shop.run(container, "sh", "-c", LOOK, "look", *names)
            return {names[address] for address in said.split()}

        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(self.address, pool.map(look, self.address), strict=True))

    def until(self, expected: Mapping[str, set[str]], what: str) -> None:
        """Wait until all containers of a service reach those of these services, and no others."""
        wanted = {
            name: {other for other in self.address if service(other) in expected[service(name)]}
            for name in self.address
        }
        began, found = time.monotonic(), self.reached()
        while found != wanted:
            differing = {name: found[name] ^ wanted[name] for name in found if found[name] != wanted[name]}
            assert time.monotonic() - began < 180, (what, differing)
            found = self.reached()
        sys.stdout.write(f"\n{what}: seen after {time.monotonic() - began:.1f} s\n")

    def stays_open(self) -> None:
        """Names, metadata, published ports and the outside are not the policy's."""
        shop = self.shop
        own = {self.address["back_log_1"], self.address["back_log_2"]}
        assert shop.asks("shop_db_1", "log.back")[0] == own
        assert shop.reads("shop_db_1", "http://rancher-metadata/latest/self/service/name") == "db"
        for host in (shop.fleet.hosts[number] for number in (1, 2)):
            published = f"http://{host.address}:{PUBLISHED}/"
            with urllib.request.urlopen(published, timeout=30) as answer:
                assert answer.status == 200
            assert shop.reads("shop_db_1", published)
        if shop.portal.process is not None:
            assert shop.reads("shop_db_1", f"{shop.portal.base}/login")


class Stream:
    """A connection on which a container sends to another one, twice a second, until it is ended."""

    def __init__(self, policed: Policed, sender: str, receiver: str, port: int) -> None:
        self._shop, self._receiver, self._port = policed.shop, receiver, port
        listen = f"while :; do sleep 600; done | nc -l -p {port} >/tmp/{port}"
        ticks = f"(while :; do echo tick; sleep 0.5; done) | nc {policed.address[receiver]} {port}"
        policed.shop.run(receiver, "sh", "-c", f"({listen}) >/dev/null 2>&1 &")
        policed.shop.run(sender, "sh", "-c", f"(until {ticks}; do sleep 0.2; done) >/dev/null 2>&1 &")
        self.until_it_goes_on()

    def received(self) -> int:
        """How many bytes have arrived."""
        return int(self._shop.run(self._receiver, "sh", "-c", f"cat /tmp/{self._port} 2>/dev/null | wc -c"))

    def until_it_goes_on(self) -> None:
        """Wait until more has arrived."""
        before = self.received()
        wait_until(lambda: self.received() > before, seconds=60, what="more on the connection", pause=0.2)


def service(container: str) -> str:
    return container.rpartition("_")[0]


@pytest.fixture(scope="module")
def policed(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policed]:
    shop = Shop(fleet, tmp_path_factory.mktemp("policy"))
    try:
        shop.open()
        yield Policed(shop)
    finally:
        shop.close()


LINKS_ONLY = {"shop_web": {"shop_web", "shop_db"}, "shop_db": {"shop_db"}, "back_log": {"back_log"}}
STACK_ONLY = {**LINKS_ONLY, "shop_db": {"shop_web", "shop_db"}}
TO_LOG = {"shop_web": set(SERVICES)}


def test_a_policy_holds_on_both_hosts_and_without_the_portal(policed: Policed):
    policed.until(ALL, "no policy")
    against = Stream(policed, "shop_db_1", "shop_web_2", 8001)  # web is linked to db, not the other way round
    foreign = Stream(policed, "back_log_1", "shop_web_2", 8002)
    policed.choose(**DENY, policy=[LINKED])
    policed.until(LINKS_ONLY, "linked services only")
    cut = foreign.received()
    policed.stays_open()
    assert " 0% packet loss" in policed.shop.run("shop_web_1", "ping", "-c1", "-W5", "db")
    against.until_it_goes_on()  # it was opened before, and is answered
    policed.until(LINKS_ONLY, "a moment later")
    assert foreign.received() == cut
    change_links(policed)
    lose_the_portal(policed)
    policed.choose(defaultPolicyAction="allow")
    policed.until(ALL, "all containers again")


def change_links(policed: Policed) -> None:
    """What a link opens is closed with it, under both policies."""
    policed.link("addservicelink")
    policed.until({**LINKS_ONLY, **TO_LOG}, "a link added")
    opened = Stream(policed, "shop_web_1", "back_log_2", 8003)
    policed.choose(**DENY, policy=[LINKED, STACK])
    policed.until({**STACK_ONLY, **TO_LOG}, "same stack only, and a link to another")
    policed.stays_open()
    opened.until_it_goes_on()
    policed.link("removeservicelink")
    policed.until(STACK_ONLY, "the link removed")
    cut = opened.received()
    policed.until(STACK_ONLY, "a moment later")
    assert opened.received() == cut


def lose_the_portal(policed: Policed) -> None:
    shop = policed.shop
    shop.portal.end(signal.SIGKILL)
    for agent in shop.agents.values():
        agent.end(signal.SIGKILL)
        agent.start()
    policed.until(STACK_ONLY, "without the portal, agents killed")
    policed.stays_open()
    shop.portal.start()
    shop.until_networks_work()
