"""An Active Directory for the tests: Samba's domain controller on a loopback address of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.accounts.certificate_authority import certify

ADDRESS, REALM, DOMAIN = "127.0.0.3", "AD.TEST", "ADT"
BASE = "DC=ad,DC=test"
ADMIN_PASSWORD, PASSWORD = "Adm1n-of-the-forest", "Pass-w0rd-of-people"

_CONF = """
[global]
netbios name = CORRALDC
realm = {realm}
workgroup = {domain}
server role = active directory domain controller
server services = ldap, kdc, rpc, cldap
interfaces = {address}/8
bind interfaces only = yes
private dir = {folder}/private
state directory = {folder}/state
cache directory = {folder}/cache
lock directory = {folder}
pid directory = {folder}
binddns dir = {folder}/bind-dns
ncalrpc dir = {folder}/ncalrpc
ntp signd socket directory = {folder}/ntp
winbindd socket directory = {folder}/winbind
log file = {folder}/log.%m
tls enabled = yes
tls keyfile = {folder}/key.pem
tls certfile = {folder}/cert.pem
tls cafile = {folder}/ca.pem
"""


class Samba:
    """The running domain controller."""

    process: subprocess.Popen[Any] | None = None

    def __init__(self, folder: Path) -> None:
        self.folder, self.conf = folder, folder / "smb.conf"

    def _tool(self, *words: str) -> None:
        done = subprocess.run(["samba-tool", *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{words[:2]}: {done.stdout}{done.stderr}"

    def tool(self, *words: str) -> None:
        """Change the directory as its administrator."""
        self._tool(*words, "-s", str(self.conf))

    def start(self) -> None:
        assert shutil.which("samba-tool"), "Samba is not installed (samba-ad-dc samba-ad-provision python3-samba)"
        options = [f"--option=interfaces={ADDRESS}/8", "--option=bind interfaces only=yes", "--dns-backend=NONE"]
        names = [f"--realm={REALM}", f"--domain={DOMAIN}", f"--adminpass={ADMIN_PASSWORD}", f"--host-ip={ADDRESS}"]
        options += ["--option=netbios name=CORRALDC", "--server-role=dc", f"--targetdir={self.folder}"]
        self._tool("domain", "provision", *names, *options)
        self.ca = certify(self.folder, ADDRESS)
        self.conf.write_text(_CONF.format(folder=self.folder, address=ADDRESS, realm=REALM, domain=DOMAIN))
        self._fill()
        command = [self._binary(), "-F", "--no-process-group", "-M", "single", "-s", str(self.conf)]
        with (self.folder / "out").open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        until = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "out").read_text()
            assert time.monotonic() < until, "Samba does not answer"
            time.sleep(0.05)

    def _binary(self) -> str:
        found = shutil.which("samba", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert found
        return found

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((ADDRESS, 636)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def _fill(self) -> None:
        for name in ("reader", "ann", "dora"):
            self.tool("user", "create", name, PASSWORD, f"--given-name={name.title()}", "--surname=Smith")
        for group in ("Crew", "Fleet"):
            self.tool("group", "add", group)
        self.tool("group", "addmembers", "Crew", "ann,dora")
        self.tool("group", "addmembers", "Fleet", "Crew")
        self.tool("user", "disable", "dora")

    def config(self, **changes: Any) -> dict[str, Any]:
        """A v1 configuration that works; only what has no default."""
        working = {
            "server": ADDRESS,
            "tls": True,
            "caCertificate": self.ca,
            "domain": BASE,
            "loginDomain": DOMAIN,
            "serviceAccountUsername": "reader",
            "serviceAccountPassword": PASSWORD,
        }
        return {**working, **changes}
