"""The fleet's network: a bridge in a namespace of its own, one cable to each host and one to this machine.

A bridge of this machine itself would do: but there a Docker engine's firewall drops what hosts say to each other.
"""

from __future__ import annotations

import ipaddress

from tests.fleet.commands import NoFleet, run

_NETS = [f"10.98.{byte}.0/24" for byte in range(1, 255)]


class Switch:
    """A private network; this machine has its first address, host N the (10 + N)th."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.netns = f"{prefix}-sw"
        self.net = ipaddress.ip_network(_free_network())
        self.portal = str(self.net[1])

    def up(self) -> None:
        """Make the bridge and this machine's cable."""
        run("ip", "netns", "add", self.netns)
        run("ip", "-n", self.netns, "link", "set", "lo", "up")
        run("ip", "-n", self.netns, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.netns, "link", "set", "br0", "up")
        run("ip", "link", "add", self.prefix, "type", "veth", "peer", "name", "portal", "netns", self.netns)
        run("ip", "-n", self.netns, "link", "set", "portal", "master", "br0", "up")
        run("ip", "addr", "add", f"{self.portal}/24", "dev", self.prefix)
        run("ip", "link", "set", self.prefix, "up")

    def address(self, number: int) -> str:
        """The address of host `number`."""
        return str(self.net[10 + number])

    def attach_host(self, number: int) -> str:
        """A network namespace for host `number`, plugged in; its name."""
        netns = f"{self.prefix}-h{number}"
        run("ip", "netns", "add", netns)
        cable = ("type", "veth", "peer", "name", "eth0", "netns", netns)
        run("ip", "link", "add", f"h{number}", "netns", self.netns, *cable)
        run("ip", "-n", self.netns, "link", "set", f"h{number}", "master", "br0", "up")
        run("ip", "-n", netns, "link", "set", "lo", "up")
        run("ip", "-n", netns, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
        run("ip", "-n", netns, "link", "set", "eth0", "up")
        run("ip", "-n", netns, "route", "add", "default", "via", self.portal)
        return netns

    def plug(self, number: int, *, plugged: bool) -> None:
        """Pull a host's cable, or put it back."""
        run("ip", "-n", self.netns, "link", "set", f"h{number}", "up" if plugged else "down")


def _free_network() -> str:
    """A network that this machine has no route to."""
    words = [line.split()[0] for line in run("ip", "-4", "route").splitlines()]
    taken = [ipaddress.ip_network(word, strict=False) for word in words if word[:1].isdigit()]
    for net in _NETS:
        if not any(ipaddress.ip_network(net).overlaps(other) for other in taken):
            return net
    raise NoFleet("every test network is taken")
