"""The public keys of an issuer, read from its JWKS (RFC 7517) within bounds; pure.

Which algorithms a key verifies follows from the key alone. A token cannot choose: not `none`, and no HMAC made with a
public key as its secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

MAX_KEYS = 50
MAX_KEY_ID = 255
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192  # a larger one is slow to verify with, and nobody has one
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512")
_EC_ALGORITHMS = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
ALGORITHMS = frozenset({*_RSA_ALGORITHMS, "ES256", "ES384", "ES512"})


class IssuerKeysInvalid(Exception):
    """What the issuer serves as its keys is of no use; `str()` says why."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key: its id (empty: it has none), the algorithms it may verify, and the key as the library has it."""

    key_id: str
    algorithms: tuple[str, ...]
    public_key: Any = field(repr=False, compare=False)


def parse_json_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object. Raises `ValueError` for anything else, however deep it is nested."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what is not JSON raises the same
    return found


def parse_issuer_keys(text: str | bytes) -> list[IssuerKey]:
    """The keys that can verify signatures; others, of which sets may have any, are left out.

    Raises `IssuerKeysInvalid` for what is no key set, has more than fifty keys, or none of use.
    """
    try:
        listed = parse_json_object(text).get("keys")
    except ValueError:
        raise IssuerKeysInvalid("What it serves as its keys is no JSON object.") from None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise IssuerKeysInvalid(f"What it serves as its keys is no list of at most {MAX_KEYS} keys.")
    found = [key for each in listed if isinstance(each, dict) and (key := _parse_key(each)) is not None]
    if not found:
        raise IssuerKeysInvalid("Among its keys is none that verifies RS256 to RS512 or ES256 to ES512.")
    return found


def _parse_key(jwk: Mapping[str, Any]) -> IssuerKey | None:
    if jwk.get("use", "sig") != "sig":
        return None
    key_id = jwk.get("kid", "")
    if not isinstance(key_id, str) or len(key_id) > MAX_KEY_ID:
        return None
    parts = {name: value for name in ("kty", "n", "e", "crv", "x", "y") if isinstance(value := jwk.get(name), str)}
    algorithms = _algorithms_of(parts)
    named = jwk.get("alg")
    if named is not None:
        algorithms = tuple(each for each in algorithms if each == named)
    public_key = _load(parts) if algorithms else None
    return IssuerKey(key_id, algorithms, public_key) if public_key is not None else None


def _algorithms_of(parts: Mapping[str, str]) -> tuple[str, ...]:
    if parts.get("kty") == "RSA":
        return _RSA_ALGORITHMS
    return _EC_ALGORITHMS.get(parts.get("crv", ""), ()) if parts.get("kty") == "EC" else ()


def _load(parts: Mapping[str, str]) -> Any:
    """The key, None for one that is broken, too short, or too long."""
    is_rsa = parts["kty"] == "RSA"
    if is_rsa and len(parts.get("n", "")) > MAX_RSA_BITS // 4:
        return None
    try:
        found: Any = (RSAAlgorithm if is_rsa else ECAlgorithm).from_jwk(dict(parts))
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    return found if not is_rsa or MIN_RSA_BITS <= found.key_size <= MAX_RSA_BITS else None


def key_for(keys: list[IssuerKey], key_id: str) -> IssuerKey | None:
    """The key with this id; a token that names none means the only key of its issuer."""
    if not key_id:
        return keys[0] if len(keys) == 1 else None
    return next((each for each in keys if each.key_id == key_id), None)
