"""The installation's keys for agents and for the relay between its own processes, made once and stored encrypted,
and the TLS contexts that use them.
"""

from __future__ import annotations

import functools
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from cryptography.x509.oid import NameOID

from apps.hosts.models import PortalKey

_NAME = "agents"
_RELAY_NAME = "corral-door"
_CERTIFICATE_LIFETIME = timedelta(days=36500)


def get_portal_key() -> PortalKey:
    """The row with all of them, created by the first process that needs it."""
    found = PortalKey.objects.filter(name=_NAME).first()
    return found or PortalKey.objects.get_or_create(name=_NAME, defaults=_generate_keys())[0]


def normalize_ssh_key(text: str) -> str | None:
    """An ed25519 public key in OpenSSH's form without its comment; None when `text` is not such a key."""
    try:
        key = load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm, UnicodeEncodeError):
        return None
    return _to_openssh(key) if isinstance(key, ed25519.Ed25519PublicKey) else None


def _to_openssh(key: ed25519.Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _generate_keys() -> dict[str, str]:
    private = ed25519.Ed25519PrivateKey.generate()
    relay = ec.generate_private_key(ec.SECP256R1())
    return {
        "private": private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        "public": _to_openssh(private.public_key()),
        "relay_key": relay.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "relay_certificate": _self_signed_certificate(relay).public_bytes(Encoding.PEM).decode(),
    }


def _self_signed_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Self-signed: its peers read it from the database and trust no other."""
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _RELAY_NAME)]), datetime.now(UTC)
    certificate = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = certificate.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    certificate = certificate.not_valid_after(now + _CERTIFICATE_LIFETIME).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return certificate.sign(key, hashes.SHA256())


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """The TLS context of the process that holds tunnels."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # `ssl` loads keys from files only; this one is deleted as soon as it is loaded.
    with tempfile.TemporaryDirectory(prefix="corral-door-") as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_text(f"{certificate.rstrip()}\n{key.rstrip()}\n")
        context.load_cert_chain(pair)
    return context


@functools.lru_cache(maxsize=4)
def client_context(certificate: str) -> ssl.SSLContext:
    """The TLS context of a process that connects: it accepts this certificate only, whatever name it was reached by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate)
    return context
