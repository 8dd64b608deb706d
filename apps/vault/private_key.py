"""Reading the private key of a certificate; pure, and what is refused never repeats any of it."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from apps.core.errors import Invalid
from apps.vault.certificate_facts import UNREADABLE, ParsedCertificate, key_refusal, public_bytes
from apps.vault.pem import PemBlock, read_blocks

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

MAX_BYTES = 6144  # an RSA key of 8192 bits has 4,700; checking the primes of a larger one takes seconds
_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


def read_private_key(field: str, text: str) -> tuple[PrivateKey, str]:
    """The one private key in a text, and its PEM (PKCS #8). Raises `Invalid`."""
    block = _key_block(field, text)
    try:
        key = load_der_private_key(block.content, password=None)
        why = key_refusal(key)
        if why:
            raise Invalid(field, "InvalidFormat", f"{field}: {why}")
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    except UNREADABLE:
        raise Invalid(
            field, "InvalidFormat", f"{field} holds no private key that can be read, or a damaged one. Paste it again."
        ) from None
    return key, pem  # type: ignore[return-value]  # `key_refusal` lets no other kind through


def _key_block(field: str, text: str) -> PemBlock:
    found = [each for each in read_blocks(field, text) if each.label.endswith("PRIVATE KEY")]
    if len(found) != 1:
        what = f"holds {len(found)} private keys" if found else "holds no private key"
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field} {what} and takes one, in PEM: it begins with `-----BEGIN PRIVATE KEY-----`.",
        )
    block = found[0]
    if block.is_encrypted:
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field} is protected by a passphrase, and nobody could type it when a balancer starts; "
            "remove it first: openssl pkey -in key.pem -out plain.pem",
        )
    if block.label not in _LABELS:
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field}: `{block.label}` serves no TLS here; use a key in PEM such as `openssl genpkey` makes.",
        )
    if len(block.content) > MAX_BYTES:
        raise Invalid(field, "MaxLengthExceeded", f"{field} is larger than any key that can be served (8192 bits).")
    return block


def require_match(field: str, certificate: ParsedCertificate, key: PrivateKey) -> None:
    """Raise `Invalid` unless the key is the certificate's."""
    if public_bytes(key.public_key()) != public_bytes(certificate.public_key):
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field} does not belong to the certificate for {certificate.facts.common_name or 'this name'!r}: "
            "their public keys differ. Use the key that the certificate was requested with.",
        )
