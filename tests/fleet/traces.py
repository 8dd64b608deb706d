"""What would show that something had happened on the hosts: other rules, restarts, reloads, other documents."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

from tests.docker.portal_process import wait_until
from tests.fleet.shop import Shop


@contextlib.contextmanager
def rule_changes(shop: Shop) -> Iterator[Callable[[], list[str]]]:
    """Every rule of our filters that was taken away or put in meanwhile, on any host."""
    logs = [host.folder / "nft-monitor.log" for number, host in shop.fleet.hosts.items() if number in shop.agents]
    for log in logs:
        log.unlink(missing_ok=True)
    hosts = [host for number, host in shop.fleet.hosts.items() if number in shop.agents]
    monitors = [host.spawn("nft-monitor", "stdbuf", "-oL", "nft", "monitor", "rules") for host in hosts]
    yield lambda: [line for log in logs for line in log.read_text().splitlines() if " corral " in line]
    for monitor in monitors:
        monitor.end(signal.SIGKILL)


def started_at(shop: Shop) -> dict[str, str]:
    """Since when each container runs."""
    found = {
        name: host.terminal.inspect_container(key)["State"]["StartedAt"] for name, (host, key) in shop.places.items()
    }
    return dict(sorted(found.items()))


def balancer_processes(shop: Shop) -> set[str]:
    """HAProxy's: a reload begins a new one. What the portal runs beside it, to read its counters, is none."""
    host, engine_id = shop.places["shop_lb_1"]
    return {row[1] for row in host.terminal.top(engine_id)["Processes"] if row[-1].startswith("haproxy")}


def until_known_everywhere(shop: Shop, servers: int) -> None:
    """Wait until the documents of both hosts have so many web servers."""

    def is_known() -> bool:
        names, metadata = shop.documents("names"), shop.documents("metadata")
        found = [len(each["records"]["web.shop"]) for each in names.values()]
        found += [sum("_web_" in row["name"] for row in each["containers"]) for each in metadata.values()]
        return found == [servers] * 4

    wait_until(is_known, seconds=60, what=f"{servers} web servers in all documents")


def tunnels(shop: Shop) -> set[str]:
    """Each connection of an agent has a name of its own."""
    return {row[0] for row in shop.portal.rows("SELECT tunnel_socket FROM hosts_host WHERE tunnel_socket != ''")}
