"""OpenSSH's server on a pretend host."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import asyncssh

from tests.fleet.commands import wait_for
from tests.fleet.host import Host
from tests.fleet.program import Program

PORT = 22


@dataclass
class Sshd:
    """A running server: root gets in with `private_key`; `host_key` is what clients should pin."""

    address: str
    host_key: str
    private_key: str
    program: Program

    @property
    def url(self) -> str:
        return f"ssh://root@{self.address}"


def sshd(host: Host) -> Sshd:
    """Start one on port 22, with new keys."""
    own, mine = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key, allowed = host.folder / "ssh_host_key", host.folder / "authorized_keys"
    key.touch(mode=0o600)
    key.write_bytes(own.export_private_key())
    allowed.write_bytes(mine.export_public_key())
    config = host.folder / "sshd_config"
    lines = [
        *(f"Port {PORT}", f"ListenAddress {host.address}", f"HostKey {key}", f"AuthorizedKeysFile {allowed}"),
        *("PermitRootLogin prohibit-password", "PasswordAuthentication no", "UsePAM no", "StrictModes no"),
        *("PidFile none", "AllowStreamLocalForwarding yes", "MaxSessions 100", "MaxStartups 100"),
    ]
    config.write_text("\n".join(lines) + "\n")
    program = host.spawn("sshd", "/usr/sbin/sshd", "-D", "-e", "-f", str(config))
    wait_for(lambda: _is_listening(host.address), f"sshd: {program.log_tail(3)}")
    public = own.export_public_key().decode().strip()
    return Sshd(host.address, public, mine.export_private_key().decode(), program)


def _is_listening(address: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, PORT)) == 0
