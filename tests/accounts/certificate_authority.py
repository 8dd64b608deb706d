"""A certificate authority of the tests' own, and the certificates of servers that it signs."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def _signed(name: str, key: Any, issuer: Any, issuer_key: Any, address: str = "") -> Any:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=not address, path_length=None), critical=True)
    )
    if address:
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(here, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def _pem(thing: Any) -> str:
    return str(thing.public_bytes(serialization.Encoding.PEM).decode())


def certificate_authority() -> tuple[str, Any, Any]:
    """A new authority: its PEM, its certificate, its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed("an authority", key, None, None)
    return _pem(certificate), certificate, key


def certify(folder: Path, address: str) -> str:
    """Write ca.pem, cert.pem and key.pem for a server at an address; the authority's PEM."""
    pem, authority, authority_key = certificate_authority()
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_text(pem)
    (folder / "cert.pem").write_text(_pem(_signed("server", key, authority, authority_key, address)))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(key.private_bytes(*private))
    return pem
