"""An authority for tests: roots, intermediates and certificates of every kind, really signed."""

from __future__ import annotations

import datetime
import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL


@functools.cache
def key_of_kind(kind: str) -> Any:
    """A key; one of each kind for all tests, as RSA keys take a second to find."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "other": ec.SECP256R1(), "k256": ec.SECP256K1()}
    return ec.generate_private_key(curves[kind])


def key_pem(key: Any, form: Any = PKCS8, password: str = "") -> str:
    """A private key as text."""
    shut = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return str(key.private_bytes(PEM, form, shut).decode())


@dataclass(frozen=True)
class Issued:
    """A certificate with its key; issues others."""

    x509: Any
    key: Any

    @property
    def cert(self) -> str:
        return str(self.x509.public_bytes(PEM).decode())

    @property
    def key_text(self) -> str:
        return key_pem(self.key)

    def issue(self, name: str, **options: Any) -> Issued:
        return issue(name, by=self, **options)


def issue(
    name: str = "www.example.org",
    *,
    by: Issued | None = None,
    kind: str = "p256",
    names: Sequence[str] | None = None,
    days: float = 90,
    begins: float = -1,
    ca: bool = False,
    usage: Any = None,
    extensions: Sequence[Any] = (),
) -> Issued:
    """A certificate by an authority, or signed by itself; `names` default to its own, an authority has none."""
    key, now = key_of_kind(kind), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else [])
    builder = x509.CertificateBuilder(
        by.x509.subject if by else subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now + begins * DAY,
        now + days * DAY,
    ).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if found := ([] if ca else [name]) if names is None else list(names):
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(each) for each in found]), critical=False
        )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    for each in extensions:
        builder = builder.add_extension(each, critical=False)
    signer = by.key if by else key
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(builder.sign(signer, digest), key)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@functools.cache
def root() -> Issued:
    return issue("Root of tests", ca=True, kind="p384", days=3650)


@functools.cache
def intermediate() -> Issued:
    return root().issue("Intermediate of tests", ca=True, kind="other", days=1800)
