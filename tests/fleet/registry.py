"""Debian's docker-registry on a pretend host, open only to a user with a password."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from tests.fleet.commands import run, wait_for
from tests.fleet.host import Host
from tests.fleet.program import Program

PORT = 5000
_CONFIG = """version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}
http: {{addr: "{address}:5000"}}
auth: {{htpasswd: {{realm: fleet, path: {folder}/htpasswd}}}}
"""


@dataclass
class Registry:
    """A running registry; `auth` is what an engine needs to be let in."""

    name: str
    auth: dict[str, str]
    program: Program


def registry(host: Host) -> Registry:
    """Start one on port 5000."""
    user, password = "alice", "s3cret"
    (host.folder / "htpasswd").write_text(run("htpasswd", "-iBn", user, stdin=password))
    config = host.folder / "registry.yml"
    config.write_text(_CONFIG.format(folder=host.folder, address=host.address))
    program = host.spawn("registry", "docker-registry", "serve", str(config))
    wait_for(lambda: _is_listening(host.address), f"the registry: {program.log_tail(3)}")
    name = f"{host.address}:{PORT}"
    return Registry(name, {"username": user, "password": password, "serveraddress": name}, program)


def _is_listening(address: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, PORT)) == 0
