"""The signatures of ACME (JSON Web Signature, ES256) and what is made of an account's key; pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_SIZE = 32  # bytes of a number on P-256


def new_key() -> str:
    """A new key on P-256, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def load_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """A key that `new_key` made."""
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("an account's key is one on P-256")
    return key


def encode(content: bytes) -> str:
    """Base64 as JOSE writes it: for URLs, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The public key, its members in the order in which they are hashed."""
    numbers = key.public_key().public_numbers()
    x, y = (encode(number.to_bytes(_SIZE, "big")) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def key_authorization(token: str, key: ec.EllipticCurvePrivateKey) -> str:
    """What answers the challenge `token` for the account with this key."""
    jwk = json.dumps(public_jwk(key), separators=(",", ":"), sort_keys=True)
    return f"{token}.{encode(hashlib.sha256(jwk.encode()).digest())}"


def decode(text: str) -> bytes:
    """What base64 for URLs stands for, with or without padding. Raises `ValueError`."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)


def sign_binding(key: ec.EllipticCurvePrivateKey, key_id: str, secret: bytes, url: str) -> dict[str, str]:
    """The proof (HS256) that the holder of an external account wants it bound to this key (RFC 8555, 7.3.4)."""
    protected = encode(json.dumps({"alg": "HS256", "kid": key_id, "url": url}).encode())
    payload = encode(json.dumps(public_jwk(key)).encode())
    signature = hmac.digest(secret, f"{protected}.{payload}".encode(), "sha256")
    return {"protected": protected, "payload": payload, "signature": encode(signature)}


def sign(
    key: ec.EllipticCurvePrivateKey, header: Mapping[str, Any], payload: Mapping[str, Any] | None
) -> dict[str, str]:
    """A signed request; without a payload it only reads (POST-as-GET)."""
    protected = encode(json.dumps({"alg": "ES256", **header}).encode())
    body = "" if payload is None else encode(json.dumps(payload).encode())
    r, s = decode_dss_signature(key.sign(f"{protected}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
    return {
        "protected": protected,
        "payload": body,
        "signature": encode(r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big")),
    }
