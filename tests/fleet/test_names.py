"""Names in containers on several hosts, through their engines' own resolvers: portal, agents and engines are real."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.shop import Shop

pytestmark = pytest.mark.docker

QUICK = 2.0  # seconds within which an answer counts as immediate here


@pytest.fixture(scope="module")
def shop(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(fleet, tmp_path_factory.mktemp("names"))
    try:
        made.open()
        yield made
    finally:
        made.close()


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
    shop.until_addressed("shop_web", "shop_db", "back_db")
    shop.look()
    web, db, other = (shop.addresses(prefix) for prefix in ("shop_web", "shop_db", "back_db"))
    assert {shop.places[f"shop_web_{number}"][0].number for number in (1, 2)} == {1, 2}
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
    shop.until_all_know("shop_web", expected)
    assert shop.asks("back_db_1", "mydb")[0] == set()  # somebody else's link
    assert shop.asks("back_db_1", "db")[0] == other

    for name in ("shop_web_2", "mydb", "data", "db.back.rancher.internal"):  # by the C library, and to another host
        assert " 0% packet loss" in shop.run("shop_web_1", "ping", "-c", "1", "-W", "5", name)

    # Without the portal all of it goes on, also after the agent was killed; others' name servers hold up nobody.
    shop.portal.end(signal.SIGKILL)
    for agent in shop.agents.values():
        agent.end(signal.SIGKILL)
        agent.start()
    shop.until_all_know("shop_web", expected)
    unknown, seconds = shop.asks("shop_web_1", "nope.rancher.internal")
    assert (unknown, seconds < QUICK) == (set(), True)
    elsewhere, seconds = shop.asks("shop_web_1", "www.example.com")  # nobody is at the hosts' name server
    assert (elsewhere, seconds < 3 * QUICK) == (set(), True)
