"""An issuer of identity tokens in this process: its keys, what it serves, and the tokens that it signs."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from apps.federation.issuer_fetch import IssuerUnreachable
from apps.federation.models import TrustRule

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.example.com"
PORTAL = "https://portal.example.com"
_numbers = itertools.count(1)

MakeRule = Callable[..., TrustRule]
"""Makes a rule of the lab."""

JOB = {
    "sub": "repo:acme/shop:ref:refs/heads/main",
    "repository": "acme/shop",
    "repository_owner": "acme",
    "ref": "refs/heads/main",
    "environment": "production",
    "run_id": "4711",
    "run_number": "42",
    "actor": "ann",
}
"""What GitHub says of a job."""


@functools.cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of its own for each number, made once in a run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@functools.cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """The same on the curve P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, key_id: str, **more: Any) -> dict[str, Any]:
    """The public half of a key as issuers serve it."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found = json.loads(algorithm.to_jwk(key.public_key()))
    return {**found, "kid": key_id, "use": "sig", **more}


@dataclass
class Issuer:
    """An issuer: `keys` by id, whether it answers, and how often its keys were requested."""

    url: str = GITHUB
    keys: dict[str, Any] = field(default_factory=lambda: {"k1": rsa_key()})
    failure: str = ""
    requests: int = 0

    def fetch(self, issuer: str) -> str:
        """What the portal gets that requests its keys."""
        self.requests += 1
        if self.failure or issuer != self.url:
            raise IssuerUnreachable(self.failure or f"{issuer} is nobody here")
        return json.dumps({"keys": [jwk(key, key_id) for key_id, key in self.keys.items()]})

    def claims(self, **more: Any) -> dict[str, Any]:
        """The claims of a token of now; None leaves one out."""
        now = int(time.time())
        found = {
            **JOB,
            "iss": self.url,
            "aud": PORTAL,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": f"token-{next(_numbers)}",
            **more,
        }
        return {name: value for name, value in found.items() if value is not None}

    def token(self, *, key_id: str | None = "k1", key: Any = None, headers: Any = None, **more: Any) -> str:
        """A token that it signed: with one of its keys, or another that only says to be one of them."""
        signer = key or self.keys[key_id or "k1"]
        algorithm = "RS256" if isinstance(signer, rsa.RSAPrivateKey) else "ES256"
        head = {**({"kid": key_id} if key_id else {}), **(headers or {})}
        return jwt.encode(self.claims(**more), signer, algorithm=algorithm, headers=head)

    def unsigned(self) -> str:
        """A token with the algorithm `none`."""
        return f"{_encode({'alg': 'none', 'kid': 'k1'})}.{_encode(self.claims())}.x"

    def confused(self) -> str:
        """A token signed with HMAC, whose secret is the text of the public key."""
        public = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        text = f"{_encode({'alg': 'HS256', 'kid': 'k1'})}.{_encode(self.claims())}"
        digest = hmac.new(public, text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
