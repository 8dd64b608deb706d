"""What else of a host the check looks at: its routes, what WireGuard received, and whether names are answered."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corral_agent.names import packet
from corral_agent.names.upstream import RESOLV_CONF, servers_of
from corral_agent.network import commands
from corral_agent.network.commands import CommandFailed
from corral_agent.network.document import NetworkDocument
from corral_agent.network.found import parse_routes
from corral_agent.network.preflight import overlapping_routes, parse_received
from corral_agent.network.wireguard import DEVICE
from corral_agent.service_address import SERVICE_ADDRESS

_TIMEOUT = 3.0
_CONF_LIMIT, _MAX_REPLY = 65_536, 65_535
_OWN_QUESTION = b"\x10rancher-metadata\x07rancher\x08internal\x00\x00\x01\x00\x01"  # A
_OTHERS_QUESTION = b"\x00\x00\x02\x00\x01"  # NS of the root, which whoever answers at all can answer
_HEAD = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def read_overlapping_routes(network: NetworkDocument) -> list[str]:
    """The routes that lead elsewhere. Blocks; raises `CommandFailed`."""
    return overlapping_routes(network, parse_routes(commands.read_rows(("ip", "-j", "-4", "route", "show"))))


def read_received(network: NetworkDocument) -> Mapping[str, int]:
    """How many bytes WireGuard has received from each peer, by its key; nothing without a device. Blocks."""
    keys = {peer.public_key for peer in network.peers}
    try:
        return parse_received(commands.run(("wg", "show", DEVICE, "transfer")), keys) if network.wireguard else {}
    except CommandFailed:
        return {}


async def check_names(path: Path = RESOLV_CONF, port: int = 53) -> dict[str, Any]:
    """Whether the host's own name server answers, and which of those that its resolv.conf names do."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            servers = servers_of(file.read(_CONF_LIMIT))
    except OSError:
        servers = []
    questions = [_answers(SERVICE_ADDRESS, port, _OWN_QUESTION)]
    questions += [_answers(server, port, _OTHERS_QUESTION) for server in servers]
    own, *others = await asyncio.gather(*questions)
    return {"own": own, "upstream": dict(zip(servers, others, strict=True))}


async def _answers(server: str, port: int, question: bytes) -> bool:
    """Whether it answers anything, a refusal too: then it is there, and no firewall between."""
    number = secrets.token_bytes(2)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.connect((server, port))
            async with asyncio.timeout(_TIMEOUT):
                await loop.sock_sendall(sock, number + _HEAD + question)
                while not packet.is_answer_to(await loop.sock_recv(sock, _MAX_REPLY), int.from_bytes(number), question):
                    pass
    except OSError:  # a time-out too
        return False
    return True
