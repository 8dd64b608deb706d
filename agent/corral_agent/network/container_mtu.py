"""Containers that were connected when more fitted between hosts: their interfaces get the MTU that fits now.

Without that they hear of it packet by packet, which is enough for TCP and for whatever else heeds ICMP.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from corral_agent.network import commands, netlink
from corral_agent.network.commands import CommandFailed
from corral_agent.network.document import NetworkDocument
from corral_agent.network.filters import Guest
from corral_agent.network.found import Found, NetworkLink

log = logging.getLogger("corral_agent")


class ContainerMtus:
    """Those of one managed network; each container is tried once for as long as it has the same cable."""

    def __init__(self, processes: Path = Path("/proc")) -> None:
        self._processes = processes
        self._tried: frozenset[tuple[int, int]] = frozenset()

    def reduce(self, document: NetworkDocument, found: Found, guests: Collection[Guest]) -> int:
        """Lower those that are too large at both ends of the cable; how many containers keep theirs. Blocks."""
        macs = {guest.port: guest.mac for guest in guests}
        too_large = [link for link in found.ports(document.bridge) if link.mtu > document.mtu]
        known = [link for link in too_large if link.name in macs and link.peer_nsid is not None]
        new = [link for link in known if (link.index, document.mtu) not in self._tried]
        self._tried = frozenset((link.index, document.mtu) for link in known)
        namespaces = self._namespaces({link.peer_nsid for link in new})
        done = [
            link for link in new
            if (at := namespaces.get(link.peer_nsid)) is not None and _reduce(link, at, macs[link.name], document.mtu)
        ]  # fmt: skip
        return len(too_large) - len(done)

    def _namespaces(self, wanted: Collection[int | None]) -> Mapping[int | None, Path]:
        """Network namespaces by the numbers that this one has for them, through processes that live there.

        None from within a container, which does not see the host's processes.
        """
        found: dict[int | None, Path] = {}
        seen: set[int] = set()
        for entry in self._processes.glob("[0-9]*") if wanted else ():
            path = entry / "ns" / "net"
            with contextlib.suppress(OSError):
                inode = path.stat().st_ino
                if inode not in seen:
                    seen.add(inode)
                    if (number := _number_of(path)) in wanted:
                        found[number] = path
        return found


def _number_of(namespace: Path) -> int:
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return netlink.read_namespace_id(descriptor)
    finally:
        os.close(descriptor)


def _reduce(link: NetworkLink, namespace: Path, mac: str, mtu: int) -> bool:
    """The container's end first: from then on it sends nothing that the host's end would not take."""
    inside = ("nsenter", f"--net={namespace}", "ip")
    try:
        rows = commands.read_rows((*inside, "-j", "link", "show"))
        names = [
            str(row.get("ifname")) for row in rows if (row.get("ifindex"), row.get("address")) == (link.peer_index, mac)
        ]
        for name in names:
            commands.run((*inside, "link", "set", "dev", name, "mtu", str(mtu)))
            commands.run(("ip", "link", "set", "dev", link.name, "mtu", str(mtu)))
            log.info("network: the container at %s has an MTU of %d now, instead of %d", link.name, mtu, link.mtu)
    except CommandFailed as error:
        log.info("network: the MTU of the container at %s stays %d: %s", link.name, link.mtu, error)
        return False
    return bool(names)
