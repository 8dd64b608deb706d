"""An authority of the fleet's own: certificates for engines that listen with TLS, and for their clients."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key as PEM text."""

    cert: str
    key: str


@dataclass(frozen=True)
class Files:
    """Where a server finds its certificates."""

    ca: Path
    cert: Path
    key: Path


class Authority:
    """Issues certificates; `pem` is what its friends trust."""

    def __init__(self, name: str = "fleet") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._builder(self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = _pem(own.sign(self._key, hashes.SHA256()))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number(), now - _DAY, now + 30 * _DAY)
        return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)

    def issue(self, name: str, address: str = "", *, client: bool) -> Pair:
        """A certificate for a client, or for a server at `address`."""
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        made = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        made = made.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if address:
            names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Pair(_pem(made.sign(self._key, hashes.SHA256())), key.private_bytes(*form).decode())

    def server(self, name: str, address: str, folder: Path) -> Files:
        """A server's certificates as files in `folder`."""
        pair = self.issue(name, address, client=False)
        files = Files(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        files.ca.write_text(self.pem)
        files.cert.write_text(pair.cert)
        files.key.touch(mode=0o600)
        files.key.write_text(pair.key)
        return files


def _pem(made: x509.Certificate) -> str:
    return made.public_bytes(serialization.Encoding.PEM).decode()
