"""What is to be done so that the managed network is as its document has it: commands as argument tuples; pure."""

from __future__ import annotations

from corral_agent.network import wireguard
from corral_agent.network.document import NetworkDocument
from corral_agent.network.found import ForwardingEntry, Found, NetworkLink
from corral_agent.service_address import SERVICE_ADDRESS

Step = tuple[str, ...]

_FLOOD = "00:00:00:00:00:00"


def plan_service_address(found: Found) -> list[Step]:
    """The address of the name server and of the metadata.

    It is on the loopback device, which is there whatever becomes of the engine and its bridges.
    """
    if f"{SERVICE_ADDRESS}/32" in found.addresses.get("lo", ()):
        return []
    return [("ip", "addr", "add", f"{SERVICE_ADDRESS}/32", "dev", "lo", "scope", "host")]


def plan_tunnel_device(document: NetworkDocument, found: Found) -> list[Step]:
    """Address and state of the WireGuard device, which is there already; its end when there is no encryption."""
    device, wanted = found.links.get(wireguard.DEVICE), document.wireguard
    if wanted is None:
        return [("ip", "link", "del", wireguard.DEVICE)] if device else []
    address = f"{wanted.address}/{wanted.prefix}"
    has = found.addresses.get(wireguard.DEVICE, frozenset())
    steps: list[Step] = [("ip", "addr", "del", each, "dev", wireguard.DEVICE) for each in sorted(has - {address})]
    if address not in has:
        steps.append(("ip", "addr", "add", address, "dev", wireguard.DEVICE))
    if device is None or not device.is_up or device.mtu != wireguard.MTU:
        steps.append(("ip", "link", "set", wireguard.DEVICE, "mtu", str(wireguard.MTU), "up"))
    return steps


def plan_removal(document: NetworkDocument, found: Found) -> list[Step]:
    """The end of a port that is not as it is to be: done first, lest anything leave without encryption meanwhile."""
    port = found.links.get(document.port)
    return [] if port is None or _is_as_wanted(document, found, port) else [("ip", "link", "del", document.port)]


def plan_port(document: NetworkDocument, found: Found) -> list[Step]:
    """The VXLAN port, plugged into the bridge, which is there already; a port that was removed is made anew."""
    port, mtu = found.links.get(document.port), _port_mtu(document, found)
    if port is not None and not _is_as_wanted(document, found, port):
        port = None
    steps: list[Step] = [] if port else [_port_creation(document, found)]
    if port is None or port.mtu != mtu:
        steps.append(("ip", "link", "set", document.port, "mtu", str(mtu)))
    if port is None or port.master != document.bridge:
        steps.append(("ip", "link", "set", document.port, "master", document.bridge))
    if port is None or not port.is_up:
        steps.append(("ip", "link", "set", document.port, "up"))
    if not found.links[document.bridge].is_up:
        steps.append(("ip", "link", "set", document.bridge, "up"))
    return steps + _plan_forwarding(document, frozenset() if port is None else found.forwarding)


def _port_mtu(document: NetworkDocument, found: Found) -> int:
    """As much as any container has: those that run keep their MTU when encryption is switched on.

    The VXLAN device tells senders what fits; the bridge drops whatever is longer than its port takes without a word.
    """
    return max([document.mtu, *(link.mtu for link in found.ports(document.bridge))])


def _local(document: NetworkDocument, found: Found) -> str:
    """A host that others know by an address which it does not have itself leaves the choice to its routes.

    Inside WireGuard it is always named: once that device is gone, so is the address, and nothing leaves in the clear.
    No lower device is named, since it would bind the port to an MTU that containers started earlier may exceed.
    """
    return document.local_address if found.has_address(document.local_address) or document.wireguard else ""


def _is_as_wanted(document: NetworkDocument, found: Found, port: NetworkLink) -> bool:
    wanted = ("vxlan", document.vni, document.udp_port, _local(document, found), "", True)
    return (port.kind, port.vni, port.udp_port, port.local, port.lower, port.is_learning) == wanted


def _port_creation(document: NetworkDocument, found: Found) -> Step:
    local = _local(document, found)
    return (
        *("ip", "link", "add", document.port, "type", "vxlan", "id", str(document.vni)),
        *("dstport", str(document.udp_port), "learning"),
        *(("local", local) if local else ()),
    )


def _plan_forwarding(document: NetworkDocument, found: frozenset[ForwardingEntry]) -> list[Step]:
    """Frames to everybody go to each other host; what was learned of hosts that left is forgotten."""
    wanted = document.remote_addresses
    entries = sorted(found, key=lambda entry: (entry.destination, entry.mac))
    gone = [entry for entry in entries if entry.destination not in wanted]
    steps: list[Step] = [
        ("bridge", "fdb", "del", entry.mac or _FLOOD, "dev", document.port, "dst", entry.destination) for entry in gone
    ]
    missing = wanted - {entry.destination for entry in entries if not entry.mac}
    steps += [("bridge", "fdb", "append", _FLOOD, "dev", document.port, "dst", each) for each in sorted(missing)]
    return steps
