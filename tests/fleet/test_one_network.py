"""Names, balancer, metadata and connections of two hosts: in order, while the portal is away, after what can break."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.docker.steady_load import SteadyLoad, steady_load
from tests.fleet import flood
from tests.fleet.fleet import Fleet
from tests.fleet.managed_network import show
from tests.fleet.shop import (
    PATIENCE,
    SLEEP,
    Shop,
    addresses_in,
    until,
)
from tests.fleet.traces import (
    balancer_processes,
    rule_changes,
    started_at,
    tunnels,
    until_known_everywhere,
)

pytestmark = pytest.mark.docker

AWAY_SECONDS = float(os.environ.get("PORTAL_AWAY_SECONDS", "20"))
METADATA = "http://rancher-metadata/2015-12-19"
BALANCER_PORT = 8000
QUESTIONS = 50
TTL = 1.0
STEADY = 10  # looks in a row
# Counts how often its health is asked for.
WEB = r"""mkdir -p /www/cgi-bin
cat > /www/cgi-bin/up <<'END'
#!/bin/sh
echo asked >> /tmp/asked
printf 'Status: 200 OK\r\n\r\n'
END
chmod +x /www/cgi-bin/up
exec serve
"""
CHECK = {"port": 80, "requestLine": "GET /cgi-bin/up HTTP/1.0", "interval": 500, "healthyThreshold": 1}


@pytest.fixture(autouse=True)
def _clean_engines() -> None:
    """What was deployed serves all tests here."""


@pytest.fixture(scope="module")
def shop(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Web servers behind a balancer on hosts 1 and 2, each with a client that is linked to them."""
    made = Shop(fleet, tmp_path_factory.mktemp("one-network"))
    try:
        made.open()
        stack = made.api.create("environments", name="shop")
        web = made.service(stack, "web", 2, command=["sh", "-c", WEB], healthCheck=CHECK)
        client = made.service(stack, "client", 2)
        made.api.act(client, "setservicelinks", serviceLinks=[{"serviceId": web["id"], "name": "mylink"}])
        launch = {"ports": [f"{BALANCER_PORT}:80"]}
        balancer = made.api.create(
            "loadbalancerservices", name="lb", environmentId=stack["id"], launchConfig=launch, startOnCreate=True
        )
        made.api.act(made.api.reload(balancer), "setservicelinks", serviceLinks=[{"serviceId": web["id"], "ports": []}])
        made.api.until_running("shop_lb", 1, seconds=PATIENCE)
        made.api.until_running("shop_client", 2, seconds=PATIENCE)
        made.api.until_running("shop_web", 2, seconds=PATIENCE)
        made.look()
        until(lambda: len(set(requests(made, 2))) == 2, "both servers answer", pause=0.2)
        yield made
    finally:
        made.close()


def requests(shop: Shop, count: int, number: int = 1) -> list[str]:
    """What so many requests through the balancer get, made by the client on a host, one after another."""
    loop = f"for each in $(seq {count}); do wget -q -O- http://lb:{BALANCER_PORT}/ || echo failed; done"
    return shop.run(shop.on_host("shop_client", number), "sh", "-c", loop).split()


def in_rotation(got: list[str], servers: int) -> bool:
    """Whether so many servers took turns, always in the same order."""
    return len(set(got[:servers])) == servers and all(a == b for a, b in zip(got, got[servers:], strict=False))


def service(shop: Shop, name: str) -> Any:
    return next(row for row in shop.api.get("services")["data"] if row["name"] == name)


def test_requests_and_names_go_round_and_new_containers_join_by_themselves(shop: Shop):
    assert {shop.places[f"shop_web_{number}"][0].number for number in (1, 2)} == {1, 2}
    for number in (1, 2):
        got = requests(shop, 8, number)
        assert in_rotation(got, 2), got
    client = shop.on_host("shop_client", 1)
    first = [shop.answers(client, "web")[0] for _ in range(8)]
    assert in_rotation(first, 2), first

    web = service(shop, "web")
    shop.api.request("PUT", web["links"]["self"], {"scale": 8})
    shop.api.until_running("shop_web", 8, seconds=PATIENCE)
    latest: list[str] = []

    def all_take_turns() -> bool:
        latest[:] = requests(shop, 24)
        return in_rotation(latest, 8)

    until(all_take_turns, "eight servers in rotation")
    until(lambda: shop.asks(client, "web")[0] == shop.addresses("shop_web"), "eight addresses")
    first = [shop.answers(client, "web")[0] for _ in range(16)]
    assert in_rotation(first, 8), first
    shop.api.request("PUT", web["links"]["self"], {"scale": 2})
    shop.api.until_running("shop_web", 2, seconds=PATIENCE)
    until(lambda: in_rotation(requests(shop, 8), 2), "the two that were there")


def check_everything(shop: Shop, number: int) -> list[str]:
    """Names, metadata, and new connections: by the link, to every web server, through the balancer.

    What failed at first, on a machine where a question may well wait for seconds, and held within a minute.
    """
    client = shop.on_host("shop_client", number)
    web = {each["primary_ip"] for each in shop.document("metadata", number)["containers"] if "_web_" in each["name"]}
    conditions = {
        "name of the service": lambda: shop.asks(client, "web")[0] == web,
        "name of the link": lambda: shop.asks(client, "mylink")[0] == web,
        "metadata": lambda: shop.reads(client, f"{METADATA}/self/container/name") == client,
        "connection by the link": lambda: "<h1>" in shop.reads(client, "http://mylink/"),
        "connections": lambda: all("<h1>" in shop.reads(client, f"http://{address}/") for address in web),
        "balancer": lambda: all(line.startswith("<h1>") for line in requests(shop, 4, number)),
    }
    late = [what for what, holds in conditions.items() if not holds()]
    for what in late:
        until(conditions[what], what)
    return late


def checks_seen(shop: Shop) -> int:
    """How often the web servers were asked for their health."""
    web = [name for name in shop.places if name.startswith("shop_web")]
    return sum(int(shop.run(name, "sh", "-c", "wc -l < /tmp/asked")) for name in web)


def change_metadata(shop: Shop, value: str) -> None:
    shop.api.request("PUT", service(shop, "web")["links"]["self"], {"metadata": {"mark": value}})


def until_news_arrives(shop: Shop) -> None:
    """Have the portal say something new, and wait until both hosts know."""
    change_metadata(shop, "back")
    for number in (1, 2):
        client, path = shop.on_host("shop_client", number), "/services/web/metadata/mark"
        until(lambda: shop.reads(client, METADATA + path) == "back", "news")  # noqa: B023


def test_nobody_misses_a_portal_that_is_away_and_nothing_flaps_when_it_is_back(shop: Shop):
    shop.look()
    until_known_everywhere(shop, 2)
    before, processes, old_tunnels = started_at(shop), balancer_processes(shop), tunnels(shop)
    host, _ = shop.places["shop_lb_1"]
    load, rounds, late = SteadyLoad(host.address, BALANCER_PORT, new=1, kept=1, pause=0.1), 0, list[str]()
    with rule_changes(shop) as changes, steady_load(load):
        shop.portal.end()
        seen, deadline = checks_seen(shop), time.monotonic() + AWAY_SECONDS
        while not rounds or time.monotonic() < deadline:
            late += check_everything(shop, 1 + rounds % 2)
            rounds += 1
        checks = checks_seen(shop) - seen
        shop.portal.start()
        until(lambda: len(tunnels(shop) - old_tunnels) == 2, "both agents back", pause=0.2)
        until_news_arrives(shop)  # whatever the portal had to say before has arrived too
        flaps = changes()
        # The monitor would have shown it: a container more is another rule.
        shop.api.request("PUT", service(shop, "client")["links"]["self"], {"scale": 3})
        until(changes, "a change of the rules")
        shop.api.until_running("shop_client", 3, seconds=PATIENCE)
    show(f"portal away for {AWAY_SECONDS:.0f} s: {rounds} rounds by containers, {checks} health checks by agents")
    show(f"not at the first attempt: {late} {shop.complaints}")
    reloads = len(balancer_processes(shop) - processes)  # harmless: one may have been due when the portal was ended
    show(f"{load.summary('meanwhile')}; rules changed at the return: {len(flaps)}; HAProxy's new processes: {reloads}")
    assert (load.failures, flaps) == ([], [])
    assert len(load.bodies) == 2
    assert checks >= 2
    assert started_at(shop) == before
    shop.api.request("PUT", service(shop, "client")["links"]["self"], {"scale": 2})
    shop.api.until_running("shop_client", 2, seconds=PATIENCE)


def is_right(shop: Shop) -> bool:
    """Whether on both hosts the names are right and lead somewhere; one command on each: looking takes time too."""
    web = shop.addresses("shop_web")
    reads = "; ".join(f"wget -q -O- http://{address}/" for address in web)
    for number in (1, 2):
        said = shop.run(shop.on_host("shop_client", number), "sh", "-c", f"nslookup web; {reads}")
        if len(web) != 2 or set(addresses_in(said)) != web or said.count("<h1>") != 2:
            return False
    return True


def until_right(shop: Shop, what: str) -> None:
    """Wait until names and routes are right again and stay so, and say since when."""
    began, looks = time.monotonic(), list[tuple[float, bool]]()

    def stays_right() -> bool:
        right = is_right(shop)
        looks.append((time.monotonic() - began, right))
        return len(looks) >= STEADY and all(right for _, right in looks[-STEADY:])

    until(stays_right, f"names and routes after: {what}", pause=0)
    last, length = looks[-STEADY][0], (looks[-1][0] - looks[0][0]) / (len(looks) - 1)
    show(f"{what}: right from {last:.1f} s after the return on, as seen by looks of {length:.1f} s")


def until_all_run(shop: Shop) -> None:
    """Wait until the engines run everything that there was, or what has replaced it."""

    def all_run() -> bool:
        shop.look()
        states = [host.terminal.inspect_container(key)["State"]["Running"] for host, key in shop.places.values()]
        return len(states) == 5 and all(states)

    until(all_run, "all containers running again", pause=0)


def test_names_and_routes_are_right_after_whatever_broke(shop: Shop):
    shop.look()
    assert is_right(shop)
    agent, host = shop.agents[1], shop.fleet.hosts[1]
    agent.end(signal.SIGKILL)
    web = shop.addresses("shop_web")
    assert all("<h1>" in shop.reads(shop.on_host("shop_client", 1), f"http://{address}/") for address in web)
    agent.start()
    until_right(shop, "agent killed and started")

    shop.fleet.engines[1].end(signal.SIGKILL)
    shop.fleet.engines[1].restart()
    until_all_run(shop)
    until_right(shop, "engine killed and started, all containers running")

    host.disconnect()
    client, remote = shop.on_host("shop_client", 1), next(iter(shop.document("names", 1)["records"]["web.shop"]))
    until(lambda: not all(shop.reaches(client, address) for address in web), f"{remote} away")
    host.reconnect()
    until_right(shop, "cable cut and mended")

    shop.fleet.hosts[2].power_off()
    shop.fleet.power_on(2)
    shop.agents[2].start()
    until_all_run(shop)
    until_right(shop, "host power-cycled, all containers running")


def test_an_old_address_is_not_answered_for_longer_than_answers_may_be_kept(shop: Shop):
    shop.look()
    client = shop.on_host("shop_client", 1)
    moving = next(row for row in shop.api.containers("shop_web") if row["name"] == shop.on_host("shop_web", 2))
    old = moving["primaryIpAddress"]
    answers: list[tuple[float, set[str]]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            answers.append((began, shop.asks(client, "web")[0]))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        until(lambda: answers and old in answers[-1][1], "the old address")
        shop.api.delete(moving)
        until(lambda: old not in json.dumps(shop.document("names", 1)), "its document", pause=0)
        arrived = time.monotonic()
        until(lambda: answers[-1][0] > arrived + TTL and len(answers[-1][1]) == 2, "new answers")
    finally:
        over.set()
        asking.join(60)
    stale = [began - arrived for began, found in answers if old in found]
    show(f"the old address was last answered to a question {max(stale) * 1000:.0f} ms after the document had arrived")
    assert max(stale) < TTL
    assert len([began for began, _ in answers if began > arrived + TTL]) > 0


def test_containers_read_who_they_are_and_wait_for_news(shop: Shop):
    shop.look()
    clients = [shop.on_host("shop_client", number) for number in (1, 2)]
    mark = f"{METADATA}/services/web/metadata/mark"
    change_metadata(shop, "first")
    for number, client in enumerate(clients, 1):
        assert shop.reads(client, f"{METADATA}/self/container/name") == client
        assert shop.reads(client, f"{METADATA}/self/host/hostname") == f"h{number}"
        row = json.loads(shop.reads(client, f"{METADATA}/self/container", "Accept: application/json"))
        assert (row["name"], row["stack_name"], row["service_name"]) == (client, "shop", "client")
        assert row["primary_ip"] in shop.addresses(client)
        until(lambda: shop.reads(client, mark) == "first", "the first mark")  # noqa: B023
    began = time.monotonic()
    assert shop.reads(clients[0], f"{mark}?wait=true&value=first&maxWait=1") == "first"
    assert time.monotonic() - began >= 1
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(shop.reads, client, f"{mark}?wait=true&value=first&maxWait=60") for client in clients]
        assert all(shop.reads(client, mark) == "first" for client in clients)
        assert not any(each.done() for each in waiting)
        change_metadata(shop, "second")
        assert [each.result(60) for each in waiting] == ["second", "second"]


def test_another_environment_reads_nothing(shop: Shop):  # though it publishes the ports of names and metadata
    shop.look()
    client = shop.on_host("shop_client", 1)
    (address,) = shop.addresses(client)
    api = shop.new_environment("other")
    shop.join(api, 3)
    api.deploy("spies", "spy", 1, ports=["80:80/tcp", "53:53/udp"], command=SLEEP, stopSignal="SIGKILL")
    (spy,) = api.until_running("spies_spy", 1, seconds=PATIENCE)
    shop.places["spy"] = shop.fleet.hosts[3], spy["externalId"]
    me = "http://169.254.169.250/latest/self/container/name"
    forged = ("X-Forwarded-For: " + address, f"Forwarded: for={address}", f"X-Real-IP: {address}")
    until(lambda: shop.reads("spy", me) == "spies_spy_1", "its own name")
    assert shop.reads("spy", me, *forged) == "spies_spy_1"
    assert shop.reads(shop.on_host("shop_client", 2), me, *forged) != client
    everything = shop.reads("spy", "http://169.254.169.250/latest/", "Accept: application/json")
    assert "spies_spy_1" in everything
    assert not {each for each in ("shop", "client", address) if each in everything}
    assert shop.asks("spy", "web.shop")[0] == shop.asks("spy", client)[0] == set()
    # A container in its host's network has no name, whatever it says.
    local, terminal = shop.fleet.hosts[1], shop.fleet.hosts[1].terminal
    config = terminal.create_host_config(network_mode="host")
    shop.places["local"] = local, terminal.create_container("bb:local", SLEEP, host_config=config)["Id"]
    terminal.start(shop.places["local"][1])
    assert "Not found" not in shop.reads("local", "http://169.254.169.250/latest/self/host/name")
    assert shop.reads("local", me, *forged) == ""


def test_the_service_address_is_not_served_to_other_machines(shop: Shop):
    """A machine on the same wire sends what is for 169.254.169.250 to host 1, which has that address."""
    near, far = shop.fleet.hosts[1], shop.fleet.hosts[3]
    route = ("169.254.169.250", "via", near.address)
    if 3 in shop.agents:
        shop.agents.pop(3).end(signal.SIGKILL)
        far.run("ip", "addr", "del", "169.254.169.250/32", "dev", "lo")
    far.run("ip", "route", "add", *route)
    read = ("curl", "-s", "--max-time", "5", "http://169.254.169.250/latest/containers")
    look_up = ("busybox", "nslookup", "web.shop.rancher.internal", "169.254.169.250")
    try:
        assert "shop" in near.run(*read)
        assert near.run(*look_up).count("Address: 10.42.") == 2
        assert far.run(*read, check=False) == ""
        assert "10.42." not in far.run(*look_up, check=False, timeout=60)
        # It is the filter that keeps them out: past it, they read.
        near.run("nft", "insert", "rule", "ip", "corral", "arriving", "ip", "daddr", "169.254.169.250", "accept")
        assert "shop" in far.run(*read)
    finally:
        far.run("ip", "route", "del", *route)
        near.run("nft", "delete", "table", "ip", "corral")  # the agent puts back what it wants


def test_one_container_that_floods_keeps_no_other_from_answers(shop: Shop):
    shop.look()
    host = shop.fleet.hosts[1]
    program = [sys.executable, str(Path(flood.__file__))]

    def inside(container: str) -> list[str]:
        pid = host.terminal.inspect_container(shop.places[container][1])["State"]["Pid"]
        return [*host.enter_command, "nsenter", "-t", str(pid), "-n", *program]

    rogue, client = shop.on_host("shop_web", 1), shop.on_host("shop_client", 1)
    (address,) = shop.addresses(rogue)
    count = [*inside(client), "count", "web.shop.rancher.internal", str(QUESTIONS)]
    before = json.loads(subprocess.run(count, check=True, capture_output=True, timeout=180).stdout)
    with subprocess.Popen([*inside(rogue), "flood"], start_new_session=True) as flooding:
        try:
            until(lambda: address in _senders(shop), "the flood to begin")
            found = json.loads(subprocess.run(count, check=True, capture_output=True, timeout=180).stdout)
            assert flooding.poll() is None
        finally:
            os.killpg(flooding.pid, signal.SIGKILL)  # entering a namespace of processes forks: one alone would flood on
    for kind, (answered, slowest) in found.items():
        calm = f"(without the flood {before[kind][1]:.0f} ms)"
        show(f"{kind}: {answered} of {QUESTIONS} answered beside a flood, the slowest in {slowest:.0f} ms {calm}")
    assert {kind: answered for kind, (answered, _) in found.items()} == {"names": QUESTIONS, "metadata": QUESTIONS}


def _senders(shop: Shop) -> str:
    """Who has asked something of host 1 in the last seconds, as its filter counts them."""
    return shop.fleet.hosts[1].run("nft", "list", "set", "bridge", "corral", "senders")
