"""The installation's keys for agents: made once, kept encrypted in the database, the same for every process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
_DOOR = "corral-door"
_LIFE = timedelta(days=36500)


def portal_key() -> PortalKey:
    """The row with all of them; who comes first makes it."""
    found = PortalKey.objects.filter(name=_NAME).first()
    return found or PortalKey.objects.get_or_create(name=_NAME, defaults=_new())[0]


def ssh_key(text: str) -> str | None:
    """An ed25519 public key in OpenSSH's form without its comment; None when `text` is no such key."""
    try:
        key = load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm, UnicodeEncodeError):
        return None
    return _public(key) if isinstance(key, ed25519.Ed25519PublicKey) else None


def _public(key: ed25519.Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _new() -> dict[str, str]:
    private = ed25519.Ed25519PrivateKey.generate()
    door = ec.generate_private_key(ec.SECP256R1())
    return {
        "private": private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        "public": _public(private.public_key()),
        "door_key": door.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "door_certificate": _certificate(door).public_bytes(Encoding.PEM).decode(),
    }


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Self-made: whoever checks it knows it from the database and trusts no other."""
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _DOOR)]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    made = made.not_valid_after(now + _LIFE).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return made.sign(key, hashes.SHA256())
