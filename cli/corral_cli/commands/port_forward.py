"""`port-forward`: a port of this machine that leads to a port inside a container, through the portal."""

from __future__ import annotations

import re
import socket
import threading
from argparse import ArgumentParser, Namespace

from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import containers_meant
from corral_cli.port_relay import PortRelay
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable

MAX_CONNECTIONS = 32
_PORTS = re.compile(r"(?:(\d{1,5}):)?(\d{1,5})")
_ACCEPT_SECONDS = 1.0  # a wait without an end cannot be interrupted everywhere


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a container, or a service that has one")
    parser.add_argument("ports", metavar="[LOCAL:]PORT", help="the container's port, and which port here leads to it")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--once", action="store_true", help="end after the first connection")


def _run(session: CliSession, options: Namespace) -> int:
    local, remote = parse_ports(options.ports)
    container = _running(session, options.name)
    if "portforward" not in (container.get("actions") or {}):
        session.api.act(container, "portforward")  # says why it is not possible
    with _listen(options.address, local) as listener:
        address, port = listener.getsockname()[:2]
        text = f"{address}:{port} leads to port {remote} of {printable(container['name'])}"
        row = {"address": address, "port": port, "container": container["name"], "containerPort": remote}
        session.report(text, row)
        session.show_results()  # before it ends: the port may have been chosen here
        try:
            _serve(session, listener, container, remote, once=options.once)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
    return ExitCode.OK


def parse_ports(text: str) -> tuple[int, int]:
    """`8080:80`, or `80` for both. Raises `CliError`."""
    found = _PORTS.fullmatch(text)
    ports = (int(found[1] or found[2]), int(found[2])) if found else (0, 0)
    if found is None or not 0 < ports[1] < 65536 or ports[0] > 65535:
        raise CliError(f"{text!r} is no port: write 8080:80, or 80; 0:80 takes any free one here.", ExitCode.USAGE)
    return ports


def _running(session: CliSession, name: str) -> Json:
    found = [each for each in containers_meant(session.api, name) if each["state"] == "running"]
    if not found:
        raise CliError(f"{printable(name)} has no running container.", ExitCode.REFUSED)
    return found[0]


def _listen(address: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((address, port), family=family, backlog=MAX_CONNECTIONS)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise CliError(
            f"Nothing can listen on {address}:{port} here ({why}): choose another.", ExitCode.USAGE
        ) from None
    listener.settimeout(_ACCEPT_SECONDS)
    return listener


def _serve(session: CliSession, listener: socket.socket, container: Json, port: int, *, once: bool) -> None:
    places = threading.BoundedSemaphore(MAX_CONNECTIONS)
    while True:
        try:
            connection, _address = listener.accept()
        except (TimeoutError, socket.timeout):
            continue
        if not places.acquire(blocking=False):
            session.terminal.note(f"Another connection was refused: {MAX_CONNECTIONS} are open.")
            connection.close()
            continue
        relay = PortRelay(session, container, port, connection, places.release)
        if once:
            relay.run()
            return
        threading.Thread(target=relay.run, daemon=True).start()


PROVIDES = {"port-forward": CliCommand(_arguments, _run)}
