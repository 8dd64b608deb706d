"""The filters of the managed network, as text for `nft`: nobody speaks with another's address; pure.

Rules name ports, since not every kernel lets a rule ask for the bridge (`meta ibrname`), and they look at each frame by
itself, since not every kernel follows connections through a bridge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from corral_agent.network.document import NetworkDocument, NetworkPolicy
from corral_agent.network.wireguard import DEVICE
from corral_agent.service_address import REDIRECTS, SERVICE_ADDRESS

TABLE = "corral"
FAMILIES = ("bridge", "ip")
_VERSION = "version_"
# Packets of one container to the host's own services: what a busy one needs many times over, and no flood.
_RATE, _BURST = 2000, 4000
_ENGINE_BRIDGES = ("docker0", "docker_gwbridge", "br-*")
_MOST_GATEWAYS = 22  # as a prefix: 1,024 addresses, a quarter of a network that is smaller than four times that


@dataclass(frozen=True, slots=True, order=True)
class Guest:
    """A container on this host: the bridge's port that its cable is in, and the addresses that are its own."""

    port: str
    mac: str
    address: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Text for `nft -f -`, which replaces what was there in one transaction; `version` is a chain in it."""

    text: str
    version: str

    def is_in_force(self, chains: Mapping[str, Any]) -> bool:
        """Whether `nft -j list chains` shows this very set."""
        rows = [row["chain"] for row in chains.get("nftables", []) if "chain" in row]
        found = {(row["family"], row["name"]) for row in rows if row["table"] == TABLE}
        return all((family, self.version) in found for family in FAMILIES)


def render(document: NetworkDocument, ports: Iterable[str], guests: Iterable[Guest]) -> RuleSet:
    """The filters for these ports of the bridge, of which `guests` are known."""
    bodies = (_bridge_table(document, sorted(ports), sorted(guests)), _ip_table(document))
    version = _VERSION + hashlib.sha256("".join(bodies).encode()).hexdigest()[:16]
    tables = [_table(family, version, body) for family, body in zip(FAMILIES, bodies, strict=True)]
    return RuleSet("".join(tables), version)


def removal() -> str:
    """Text for `nft -f -` that takes all filters away."""
    return "".join(f"table {family} {TABLE} {{ }}\ndelete table {family} {TABLE}\n" for family in FAMILIES)


def _table(family: str, version: str, body: str) -> str:
    begun = f"table {family} {TABLE}"
    return f"{begun} {{ }}\ndelete {begun}\n{begun} {{\n  chain {version} {{ }}\n{body}}}\n"


def _bridge_table(document: NetworkDocument, ports: Sequence[str], guests: Sequence[Guest]) -> str:
    """Whatever comes from a container's port has that container's addresses, and is IPv4 or ARP."""
    owned = [f'"{guest.port}" . {guest.mac} . {guest.address}' for guest in guests]
    limit = f"limit rate over {_RATE}/second burst {_BURST} packets"
    return f"""\
{_set("ports", "ifname", [f'"{port}"' for port in ports])}\
{_set("guests", "ifname . ether_addr . ipv4_addr", owned)}\
  set senders {{ type ipv4_addr; size 65535; flags dynamic; timeout 10s; }}
  chain guest {{
    ether type arp iifname . ether saddr . arp saddr ip @guests iifname . arp saddr ether . arp saddr ip @guests accept
    iifname . ether saddr . ip saddr != @guests drop
    ip daddr {SERVICE_ADDRESS} update @senders {{ ip saddr {limit} }} drop
    ether type ip accept
    drop
  }}
  chain arriving {{
    type filter hook prerouting priority -300; policy accept;
    ip saddr {SERVICE_ADDRESS} drop
    arp saddr ip {SERVICE_ADDRESS} drop
    iifname "{document.port}" accept
    iifname @ports jump guest
    ip saddr {document.subnet} drop
    arp saddr ip {document.subnet} drop
  }}
{_policy_chains(document, guests) if document.policy.mode != "all" else ""}"""


def _policy_chains(document: NetworkDocument, guests: Sequence[Guest]) -> str:
    """What reaches a container of this host through the bridge: from hosts, and what the policy admits.

    A group that only answers must not open connections. Without following connections that is seen of TCP and of
    pings; a fragment that hides its flags is no answer.
    """
    return f"""\
{_policy_sets(document.policy, {guest.address for guest in guests})}\
  chain answers {{
    meta mark set 0
    ip protocol tcp tcp flags & (syn | ack) != syn accept
    ip protocol icmp icmp type != echo-request accept
    ip protocol != {{ tcp, icmp }} accept
  }}
  chain deliver {{
    ip saddr {_gateways(document.subnet)} accept
    meta mark set 0
    meta mark set ip saddr map @groups
    ip daddr . meta mark @admitted meta mark set 0 accept
    ip daddr . meta mark @answering jump answers
    meta mark set 0
    meta mark set ip saddr map @stacks
    ip daddr . meta mark @neighbors meta mark set 0 accept
    meta mark set 0 drop
  }}
  chain forwarded {{
    type filter hook forward priority -300; policy accept;
    ether type ip oifname @ports jump deliver
  }}
"""


def _policy_sets(policy: NetworkPolicy, local: Collection[str]) -> str:
    groups = [f"{address} : {group}" for address, group in sorted(policy.groups.items())]
    admitted, answering = _reach(policy, local)
    stacks = {group: number for number, stack in enumerate(policy.stacks, 1) for group in stack}
    homes = {address: stacks[group] for address, group in sorted(policy.groups.items()) if group in stacks}
    return "".join(
        (
            _set("groups", "ipv4_addr : mark", groups, kind="map"),
            _set(
                "stacks", "ipv4_addr : mark", [f"{address} : {stack}" for address, stack in homes.items()], kind="map"
            ),
            _set("admitted", "ipv4_addr . mark", _pairs(admitted)),
            _set("answering", "ipv4_addr . mark", _pairs(answering)),
            _set("neighbors", "ipv4_addr . mark", _pairs((each, homes[each]) for each in homes if each in local)),
        )
    )


def _pairs(found: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{address} . {group}" for address, group in sorted(found)]


def _reach(policy: NetworkPolicy, addresses: Collection[str]) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """Which groups open connections to each of the addresses, and which others answer it."""
    opening: dict[int, set[int]] = {}
    answering: dict[int, set[int]] = {}
    for first, second in policy.allowed:
        opening.setdefault(second, set()).add(first)
        answering.setdefault(first, set()).add(second)
    own = {address: group for address, group in policy.groups.items() if address in addresses}
    admitted = {(address, other) for address, group in own.items() for other in {group} | opening.get(group, set())}
    heard = {(address, other) for address, group in own.items() for other in answering.get(group, set())}
    return admitted, heard - admitted


def _gateways(subnet: str) -> str:
    """The part of the subnet that hosts have their own addresses in."""
    whole = IPv4Network(subnet)
    return str(IPv4Network((whole.network_address, min(32, max(_MOST_GATEWAYS, whole.prefixlen + 2)))))


def _ip_table(document: NetworkDocument) -> str:
    """Frames of our VXLAN come from other hosts only: a container could else send some, with the host's address.

    The number of the network stands 12 bytes into the UDP datagram; another VXLAN on the same port is left alone.
    The service address is this machine's for whoever sends to it, whatever cable that comes in by: names and metadata
    are for this host and its containers.
    """
    ours = f"udp dport {document.udp_port} @th,96,24 {document.vni}"
    trusted = f'iifname != "{DEVICE}"' if document.wireguard else "ip saddr != @hosts"
    bridges = "".join(f'    iifname "{name}" {ours} drop\n' for name in (document.bridge, *_ENGINE_BRIDGES))
    local = "".join(f'    iifname "{name}" return\n' for name in ("lo", document.bridge, *_ENGINE_BRIDGES))
    tunnel = f'    oifname "{DEVICE}" drop\n    iifname "{DEVICE}" drop\n' if document.wireguard else ""
    leaving = f"""\
  chain leaving {{
    type filter hook output priority -10; policy accept;
    {ours} oifname != "{DEVICE}" drop
  }}
"""
    return f"""\
{_set("hosts", "ipv4_addr", sorted(document.remote_addresses))}\
  chain service {{
{local}    drop
  }}
  chain arriving {{
    type filter hook input priority -10; policy accept;
    {ours} {trusted} drop
    ip daddr {SERVICE_ADDRESS} jump service
  }}
{_redirects()}  chain passing {{
    type filter hook forward priority -10; policy accept;
{bridges}{tunnel}  }}
{leaving if document.wireguard else ""}"""


def _redirects() -> str:
    """Names and metadata are led to the ports that they listen on.

    Before the engine's own rules: a container that publishes port 80 would else get what others ask of the metadata.
    """
    rules = "".join(
        f"    {protocol} dport {port} dnat to {SERVICE_ADDRESS}:{listening}\n"
        for protocol, port, listening in REDIRECTS
    )
    hooks = "".join(
        f"  chain redirected_{hook} {{\n    type nat hook {hook} priority -110; policy accept;\n"
        f"    ip daddr {SERVICE_ADDRESS} jump redirects\n  }}\n"
        for hook in ("prerouting", "output")
    )
    return f"  chain redirects {{\n{rules}  }}\n{hooks}"


def _set(name: str, content: str, elements: Sequence[str], kind: str = "set") -> str:
    filled = f" elements = {{ {', '.join(elements)} }};" if elements else ""
    return f"  {kind} {name} {{ type {content};{filled} }}\n"
