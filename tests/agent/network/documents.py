"""Documents of the managed network as the portal makes them."""

from __future__ import annotations

from typing import Any

KEY_ONE, KEY_TWO = "A" * 43 + "=", "B" * 42 + "A="


def plain_document(**changes: Any) -> dict[str, Any]:
    """Host 1 of three, without encryption."""
    return {
        "version": 1,
        "environment": "0a7e6d4c-0000-4000-8000-000000000000",
        "subnet": "10.42.0.0/16",
        "gateway": "10.42.0.1",
        "network": "corral",
        "bridge": "corral0",
        "port": "corral-vx",
        "vni": 42,
        "udpPort": 4789,
        "mtu": 1450,
        "encryption": "none",
        "address": "192.0.2.1",
        "wireguard": None,
        "peers": [_peer(2), _peer(3)],
        "containers": [
            {"address": "10.42.4.1", "mac": "02:42:0a:2a:04:01"},
            {"address": "10.42.4.2", "mac": "02:42:0a:2a:04:02"},
        ],
        "policy": {"mode": "all"},
        **changes,
    }


def encrypted_document(**changes: Any) -> dict[str, Any]:
    """The same with WireGuard; host 3 has not reported its key yet."""
    keyed = [{**_peer(2), "publicKey": KEY_TWO}, _peer(3)]
    wireguard = {"port": 51820, "address": "10.43.0.1/16"}
    return plain_document(**{"encryption": "wireguard", "wireguard": wireguard, "peers": keyed, "mtu": 1370, **changes})


def _peer(number: int) -> dict[str, Any]:
    return {
        "host": f"h{number}",
        "name": f"host {number}",
        "address": f"192.0.2.{number}",
        "publicKey": "",
        "tunnelAddress": f"10.43.0.{number}",
        "gateway": f"10.42.0.{number}",
    }
