"""An OpenLDAP server for the tests: on high loopback ports, with a certificate authority, people and groups."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.accounts.certificate_authority import certify

BASE = "dc=example,dc=test"
SERVICE, SERVICE_PASSWORD = f"cn=reader,{BASE}", "reader-password-8"
PASSWORD = "directory-password-9"

_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{base}"
rootdn "cn=root,{base}"
rootpw root
directory {folder}/db
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Slapd:
    """The running server, and changes to it as its administrator."""

    def __init__(self, folder: Path) -> None:
        self.port, self.tls_port, self.folder = free_port(), free_port(), folder
        self.ca = certify(folder, "127.0.0.1")
        (folder / "db").mkdir()
        (folder / "slapd.conf").write_text(_CONF.format(folder=folder, base=BASE))

    def start(self) -> None:
        binary = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert binary, "OpenLDAP is not installed (apt-get install slapd)"
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        command = [binary, "-f", str(self.folder / "slapd.conf"), "-h", urls, "-d", "0"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        self._fill()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    @contextmanager
    def _root(self) -> Iterator[Any]:
        import ldap

        connection = ldap.initialize(f"ldap://127.0.0.1:{self.port}")
        connection.simple_bind_s(f"cn=root,{BASE}", "root")
        yield connection
        connection.unbind_s()

    def add(self, dn: str, *classes: str, **attributes: Any) -> str:
        """A new entry; its DN."""
        import ldap.modlist

        values = {"objectClass": list(classes), **attributes}
        coded = {k: [str(each).encode() for each in (v if isinstance(v, list) else [v])] for k, v in values.items()}
        with self._root() as root:
            root.add_s(f"{dn},{BASE}", ldap.modlist.addModlist(coded))
        return f"{dn},{BASE}"

    def change(self, dn: str, attribute: str, *values: str) -> None:
        """Replace the values of an attribute, or delete it."""
        import ldap

        with self._root() as root:
            root.modify_s(dn, [(ldap.MOD_REPLACE, attribute, [value.encode() for value in values] or None)])

    def rename(self, dn: str, to: str) -> str:
        with self._root() as root:
            root.rename_s(dn, to)
        return f"{to},{dn.partition(',')[2]}"

    def remove(self, dn: str) -> None:
        with self._root() as root:
            root.delete_s(dn)

    def person(self, uid: str, **more: Any) -> str:
        from ldap.dn import escape_dn_chars

        known = {"uid": uid, "cn": f"{uid} Smith", "sn": "Smith", "givenName": uid.title(), "userPassword": PASSWORD}
        return self.add(f"uid={escape_dn_chars(uid)},ou=people", "inetOrgPerson", **{**known, **more})

    def group(self, name: str, *members: str) -> str:
        return self.add(f"cn={name},ou=groups", "groupOfNames", cn=name, member=list(members))

    def _fill(self) -> None:
        self.add_base()
        self.people = {
            uid: self.person(uid) for uid in ("ann", "ben", "admin", "alice", "o'neil (ops) *", "\\back,slash")
        }
        self.people["dora"] = self.person("dora", employeeNumber="2")
        self.crew = self.group("crew", self.people["ann"], self.people["dora"])
        self.fleet = self.group("fleet", self.crew)
        self.group("loop", self.fleet, self.people["ben"])
        self.change(self.fleet, "member", self.crew, f"cn=loop,ou=groups,{BASE}")
        self.add("cn=ops,ou=groups", "posixGroup", cn="ops", gidNumber="500", memberUid=["ann"])

    def add_base(self) -> None:
        import ldap.modlist

        classes = [b"dcObject", b"organization"]
        with self._root() as root:
            root.add_s(BASE, ldap.modlist.addModlist({"objectClass": classes, "dc": [b"example"], "o": [b"Example"]}))
        self.add("ou=people", "organizationalUnit", ou="people")
        self.add("ou=groups", "organizationalUnit", ou="groups")
        entry = {"cn": "reader", "userPassword": SERVICE_PASSWORD}
        self.add("cn=reader", "organizationalRole", "simpleSecurityObject", **entry)

    def config(self, **changes: Any) -> dict[str, Any]:
        """A v1 configuration that works: groups by DN, nested ones too."""
        working = {
            "server": "127.0.0.1",
            "port": self.port,
            "domain": BASE,
            "serviceAccountUsername": SERVICE,
            "serviceAccountPassword": SERVICE_PASSWORD,
            "groupObjectClass": "groupOfNames",
            "groupMemberMappingAttribute": "member",
            "userMemberAttribute": "memberOf",
        }
        return {**working, **changes}
