"""The managed network on the machine itself: reads what is there and changes what differs. Everything here blocks."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from corral_agent.network import commands, filters, guests, netlink, plan, wireguard
from corral_agent.network.commands import CommandFailed, ProgramMissing
from corral_agent.network.container_mtu import ContainerMtus
from corral_agent.network.document import NetworkDocument
from corral_agent.network.filters import Guest
from corral_agent.network.found import (
    Found,
    NetworkLink,
    conflicting_route,
    parse_addresses,
    parse_forwarding,
    parse_links,
    parse_routes,
)
from corral_agent.network.wireguard import FoundWireGuard
from corral_agent.private_file import write_private

log = logging.getLogger("corral_agent")

_TOO_LARGE = (
    "{which} a larger MTU than the {mtu} that fits now: longer packets are refused or"
    " fragmented one by one. Evacuate the host once: its network is made anew when no container is left in it"
)
_SHOW_TUNNEL = ("wg", "show", wireguard.DEVICE, "dump")
_NO_WIREGUARD = (
    "this host has neither WireGuard in its kernel nor the program wireguard-go:"
    " install the package wireguard-go, or switch the encryption of the environment's network off"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round has found and done. `warning` is what does not work although the network does."""

    has_bridge: bool = True
    conflict: str = ""
    warning: str = ""
    tunnel: FoundWireGuard = field(default_factory=FoundWireGuard)
    guests: frozenset[Guest] = frozenset()
    arrived: frozenset[Guest] = frozenset()
    unknown_ports: int = 0


class NetworkDevices:
    """One managed network on this machine; `folder` keeps the private key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guests: frozenset[Guest] | None = None
        self._mtus = ContainerMtus()
        self.public_key = ""

    def find_conflict(self, document: NetworkDocument) -> str:
        """A route of the host into the subnet that leads elsewhere; "" without one. Raises `CommandFailed`."""
        return conflicting_route(Found(routes=_read_routes()), document.subnet, document.bridge)

    def ensure(
        self, document: NetworkDocument, endpoints: Mapping[str, str] | None, moved: Collection[str] = ()
    ) -> Outcome:
        """Make everything as the document has it. `endpoints` is None when the engine does not say who is connected.

        Raises `CommandFailed`.
        """
        if document.wireguard:
            self.public_key = self._load_key()
        found = _look(document)
        conflict = conflicting_route(found, document.subnet, document.bridge)
        has_bridge = document.bridge in found.links
        if has_bridge:
            _check_bridge(document, found)
        # Before the service address: without them other machines would reach it.
        arrived, unknown_ports, warning = self._ensure_filters(document, found, endpoints)
        _run(plan.plan_service_address(found))
        if not has_bridge:
            return Outcome(has_bridge=False, conflict=conflict)
        changed = _run(plan.plan_removal(document, found))
        tunnel, has_changed_tunnel = self._ensure_tunnel(document, found, moved)
        if changed or has_changed_tunnel:
            found = _look(document)
        is_new = _run(plan.plan_port(document, found))
        everybody = self._known_guests()
        too_large = self._mtus.reduce(document, found, everybody)
        return Outcome(
            conflict=conflict,
            warning=warning or (_TOO_LARGE.format(which=_which(too_large), mtu=document.mtu) if too_large else ""),
            tunnel=tunnel,
            guests=everybody,
            # Before the port was as it is now, nobody could hear an announcement.
            arrived=everybody if is_new else arrived,
            unknown_ports=unknown_ports,
        )

    # Filters

    def _ensure_filters(
        self, document: NetworkDocument, found: Found, endpoints: Mapping[str, str] | None
    ) -> tuple[frozenset[Guest], int, str]:
        before = self._known_guests()
        if endpoints is None:
            endpoints = {container.mac: container.address for container in document.containers}
            endpoints |= {guest.mac: guest.address for guest in before}
        ports = {link.name: link for link in found.ports(document.bridge)}
        macs = _read_macs([link for name, link in ports.items() if name not in {guest.port for guest in before}])
        now = guests.assign(list(ports), macs, endpoints, before)
        rules = filters.render(document, ports, now)
        warning = ""
        try:
            if not rules.is_in_force(commands.read_object(("nft", "-j", "list", "chains"))):
                commands.run(("nft", "-f", "-"), rules.text)
        except CommandFailed as error:
            if document.policy.mode != "all":
                raise CommandFailed(f"the network policy cannot be enforced: {error}") from None
            warning = f"names and metadata are not answered, and containers could use each other's addresses: {error}"
        self._guests = now
        arrived = now - before
        _pin(arrived)
        return arrived, len(ports) - len(now), warning

    def _known_guests(self) -> frozenset[Guest]:
        """From the filters that an agent before this one has left, the first time."""
        if self._guests is None:
            self._guests = frozenset()
            with contextlib.suppress(CommandFailed):
                listed = commands.read_object(("nft", "-j", "list", "set", "bridge", filters.TABLE, "guests"))
                self._guests = guests.parse_guests(listed)
        return self._guests

    # WireGuard

    def _load_key(self) -> str:
        """The public key; the private one is made here, and stays here."""
        path = self._folder / "wireguard.key"
        try:
            private = path.read_text().strip() if path.is_file() else ""
            if not private:
                private = commands.run(("wg", "genkey")).strip()
                _write_secret(path, private)
        except OSError as error:
            raise CommandFailed(f"the key of this host cannot be kept in {path}: {error.strerror}") from None
        if not self.public_key:
            self.public_key = commands.run(("wg", "pubkey"), private).strip()
        return self.public_key

    def _ensure_tunnel(
        self, document: NetworkDocument, found: Found, moved: Collection[str]
    ) -> tuple[FoundWireGuard, bool]:
        """The device as it is now, and whether it was another one before."""
        if document.wireguard is None:
            return FoundWireGuard(), _run(plan.plan_tunnel_device(document, found))
        before = _read_tunnel(found)
        if before is None:
            _create_tunnel()
            found = _look(document)
            before = wireguard.parse_dump(commands.run(_SHOW_TUNNEL))
        steps = wireguard.plan_settings(
            document,
            before,
            key_file=str(self._folder / "wireguard.key"),
            public_key=self.public_key,
            moved=moved,
            now=time.time(),
        )
        has_changed = _run(steps + plan.plan_tunnel_device(document, found))
        return (wireguard.parse_dump(commands.run(_SHOW_TUNNEL)) if has_changed else before), has_changed


def _look(document: NetworkDocument) -> Found:
    rows = commands.read_rows(("ip", "-j", "-d", "addr", "show"))
    links = parse_links(rows)
    forwarding = ("bridge", "-j", "fdb", "show", "dev", document.port)
    return Found(
        links=links,
        addresses=parse_addresses(rows),
        forwarding=parse_forwarding(commands.read_rows(forwarding)) if document.port in links else frozenset(),
        routes=_read_routes(),
    )


def _read_routes() -> frozenset[tuple[str, str]]:
    return parse_routes(commands.read_rows(("ip", "-j", "-4", "route", "show")))


def _run(steps: list[plan.Step]) -> bool:
    """Carry steps out; whether there were any."""
    for step in steps:
        log.info("network: %s", " ".join(step))
        commands.run(step)
    return bool(steps)


def _check_bridge(document: NetworkDocument, found: Found) -> None:
    has = found.addresses.get(document.bridge, frozenset())
    if has and document.bridge_address not in has:
        raise CommandFailed(
            f"the Docker network {document.network} has the address {', '.join(sorted(has))} instead of"
            f" {document.bridge_address}: remove the containers that are connected to it, then the network"
        )


def _read_macs(links: list[NetworkLink]) -> dict[str, str]:
    """Those of the containers' ends of cables; one that has no namespace yet is not ready."""
    found = {}
    for link in links:
        if link.peer_nsid is not None:
            with contextlib.suppress(OSError):
                found[link.name] = netlink.read_peer_mac(link.peer_index, link.peer_nsid)
    return found


def _pin(arrived: Collection[Guest]) -> None:
    """Tell the bridge behind which port a container is.

    It may still look for it behind the VXLAN port, where it was before it moved here; and no frame with the
    container's address that comes in elsewhere may change its mind.
    """
    for guest in sorted(arrived):
        with contextlib.suppress(CommandFailed):  # gone again
            commands.run(("bridge", "fdb", "replace", guest.mac, "dev", guest.port, "master", "static", "sticky"))


def _read_tunnel(found: Found) -> FoundWireGuard | None:
    """The device as it is; None without one, and without one that this agent can speak to.

    wireguard-go is spoken to by a socket in /run. One that an agent of the machine itself has started answers no agent
    in a container, nor the other way round: its device is removed, which ends it.
    """
    device = found.links.get(wireguard.DEVICE)
    if device is None:
        return None
    try:
        return wireguard.parse_dump(commands.run(_SHOW_TUNNEL))
    except CommandFailed as error:
        if device.kind == wireguard.KERNEL_KIND or wireguard.NO_ACCESS not in str(error):
            raise
        log.info("network: a wireguard-go of somebody else (%s): its device is made anew", error)
        commands.run(("ip", "link", "del", wireguard.DEVICE))
        return None


def _create_tunnel() -> None:
    try:
        commands.run(("ip", "link", "add", wireguard.DEVICE, "type", "wireguard"))
    except ProgramMissing:
        raise
    except CommandFailed as refusal:
        log.info("no WireGuard in the kernel (%s): wireguard-go is started", refusal)
        try:
            commands.run(("wireguard-go", wireguard.DEVICE))
        except ProgramMissing:
            raise CommandFailed(_NO_WIREGUARD) from None


def _write_secret(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, f"{text}\n")


def _which(containers: int) -> str:
    return "1 container that runs here has" if containers == 1 else f"{containers} containers that run here have"
