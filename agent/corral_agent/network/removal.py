"""The end of the managed network on this machine: every device, filter and address that was made for it."""

from __future__ import annotations

import contextlib

from corral_agent.network import commands, filters, wireguard
from corral_agent.network.commands import CommandFailed
from corral_agent.network.plan import Step
from corral_agent.service_address import SERVICE_ADDRESS

_PORT = "corral-vx"


def remove_devices() -> str:
    """Take everything away, however much of it is there; what could not be, empty when nothing is left. Blocks.

    The Docker network and its bridge are the engine's, which is asked to remove them apart.
    """
    refusals: list[str] = []
    with contextlib.suppress(CommandFailed):  # where there is no nft, there are no filters either
        commands.run(("nft", "-f", "-"), filters.removal())
    try:
        rows = commands.read_rows(("ip", "-j", "-d", "addr", "show"))
    except CommandFailed as error:
        return str(error)
    names = {str(row.get("ifname")) for row in rows}
    steps: list[Step] = [("ip", "link", "del", device) for device in (_PORT, wireguard.DEVICE) if device in names]
    if any(each.get("local") == SERVICE_ADDRESS for row in rows for each in row.get("addr_info") or ()):
        steps.append(("ip", "addr", "del", f"{SERVICE_ADDRESS}/32", "dev", "lo"))
    for step in steps:
        try:
            commands.run(step)
        except CommandFailed as error:
            refusals.append(str(error))
    return "; ".join(refusals)
