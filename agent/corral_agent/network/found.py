"""What the kernel says is there, read from the programs' JSON; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_FLOOD = "00:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class NetworkLink:
    """A network device. `lower` is the device below a VXLAN port; of a cable the other end's numbers are known."""

    index: int
    name: str
    kind: str = ""
    master: str = ""
    mtu: int = 0
    is_up: bool = False
    is_learning: bool = False
    vni: int = 0
    udp_port: int = 0
    local: str = ""
    lower: str = ""
    peer_index: int = 0
    peer_nsid: int | None = None


@dataclass(frozen=True, slots=True)
class ForwardingEntry:
    """Where the VXLAN port sends frames for a MAC address; `mac` is "" for frames to everybody."""

    mac: str
    destination: str


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that plans are made from."""

    links: Mapping[str, NetworkLink] = field(default_factory=dict)
    addresses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    forwarding: frozenset[ForwardingEntry] = frozenset()
    routes: frozenset[tuple[str, str]] = frozenset()

    def has_address(self, address: str) -> bool:
        """Whether the host itself has this address, on any device."""
        return any(each.partition("/")[0] == address for found in self.addresses.values() for each in found)

    def ports(self, bridge: str) -> list[NetworkLink]:
        """The bridge's ports that are cables, which is what containers have."""
        return [link for link in self.links.values() if link.master == bridge and link.kind == "veth"]


def parse_links(rows: Iterable[Mapping[str, Any]]) -> dict[str, NetworkLink]:
    """From `ip -j -d addr`."""
    return {link.name: link for link in map(_parse_link, rows)}


def _parse_link(row: Mapping[str, Any]) -> NetworkLink:
    info = row.get("linkinfo") or {}
    data = info.get("info_data") or {}
    kind = str(info.get("info_kind", ""))
    is_vxlan = kind == "vxlan"
    return NetworkLink(
        index=int(row.get("ifindex", 0)),
        name=str(row.get("ifname", "")),
        kind=kind,
        master=str(row.get("master", "")),
        mtu=int(row.get("mtu", 0)),
        is_up="UP" in row.get("flags", []),
        is_learning=is_vxlan and bool(data.get("learning")),
        vni=int(data.get("id", 0)) if is_vxlan else 0,
        udp_port=int(data.get("port", 0)) if is_vxlan else 0,
        local=str(data.get("local", "")) if is_vxlan else "",
        lower=str(data.get("link", "")) if is_vxlan else "",
        peer_index=int(row.get("link_index", 0)),
        peer_nsid=row.get("link_netnsid"),
    )


def parse_addresses(rows: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """From `ip -j -d addr`: the IPv4 addresses of each device, with the lengths of their prefixes."""
    found = {}
    for row in rows:
        addresses = [one for one in row.get("addr_info") or () if one.get("family") == "inet"]
        if addresses:
            found[str(row.get("ifname", ""))] = frozenset(f"{one['local']}/{one['prefixlen']}" for one in addresses)
    return found


def parse_forwarding(rows: Iterable[Mapping[str, Any]]) -> frozenset[ForwardingEntry]:
    """From `bridge -j fdb show dev ...`: the entries of the VXLAN device itself."""
    entries = [(str(row.get("mac", "")), row.get("dst")) for row in rows]
    return frozenset(ForwardingEntry("" if mac == _FLOOD else mac, str(to)) for mac, to in entries if to)


def parse_routes(rows: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """From `ip -j -4 route`: destination and device of each route but the default one."""
    return frozenset((str(row.get("dst", "")), str(row.get("dev", ""))) for row in rows if row.get("dst") != "default")


def conflicting_route(found: Found, subnet: str, own_device: str) -> str:
    """A route of the host into the subnet that leads elsewhere, as a text; "" without one."""
    wanted = ipaddress.ip_network(subnet)
    for destination, device in sorted(found.routes):
        try:
            overlaps = wanted.overlaps(ipaddress.ip_network(destination))
        except ValueError:
            continue
        if overlaps and device != own_device:
            return f"{destination} via {device}"
    return ""
