"""Which container is behind which port of the bridge; pure.

A port belongs to the container that it was first seen with: whoever changes addresses afterwards is not heard.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from corral_agent.network.filters import Guest


def assign(
    ports: Collection[str], macs: Mapping[str, str], addresses: Mapping[str, str], before: Collection[Guest]
) -> frozenset[Guest]:
    """The container behind each port: `macs` has those of new ports, `addresses` what was given to each MAC."""
    kept = {guest.mac: guest for guest in before if guest.port in ports and addresses.get(guest.mac) == guest.address}
    taken = {guest.port for guest in kept.values()}
    for port in sorted(set(ports) - taken):
        mac = macs.get(port, "")
        if mac in addresses and mac not in kept:
            kept[mac] = Guest(port, mac, addresses[mac])
    return frozenset(kept.values())


def parse_guests(listed: Mapping[str, Any]) -> frozenset[Guest]:
    """From `nft -j list set bridge corral guests`: those of the agent that ran before."""
    found = set()
    for row in listed.get("nftables", []):
        for element in row.get("set", {}).get("elem", []):
            words = element.get("concat", []) if isinstance(element, Mapping) else []
            if len(words) == 3:
                found.add(Guest(*map(str, words)))
    return frozenset(found)
