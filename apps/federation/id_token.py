"""An identity token (a signed JWT): read, and then believed only as far as its issuer's key says. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from jwt import exceptions

from apps.core.texts import is_storable
from apps.federation.issuer_keys import ALGORITHMS, MAX_KEY_ID, IssuerKey, parse_json_object

MAX_TOKEN_BYTES = 16_384
LEEWAY = timedelta(seconds=60)
MAX_LIFE = timedelta(hours=24)  # a token is remembered until it ends, lest it be exchanged twice
MAX_AUDIENCES = 20

MALFORMED, SIGNATURE, AUDIENCE, TIME = "malformed", "signature", "audience", "time"


class TokenInvalid(Exception):
    """The token proves nothing; `kind` is one of the words above, `str()` says what exactly is wrong.

    `claims` are what its issuer signed, where the signature is right.
    """

    def __init__(self, kind: str, reason: str, claims: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.claims = claims


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says of itself, which anybody can write: enough to find out whose key has to confirm it."""

    text: str = field(repr=False)
    issuer: str
    audiences: tuple[str, ...]
    key_id: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What an issuer has signed, of now. `digest` is of what must not come twice; after `ends` it is refused anyway."""

    claims: Mapping[str, Any]
    digest: str
    ends: datetime


def read_unverified(text: str) -> UnverifiedToken:
    """Read whose token it is. Raises `TokenInvalid` for what is no signed JWT, or longer than 16 KB."""
    text = text.strip()
    if not text.isascii() or len(text) > MAX_TOKEN_BYTES:
        raise TokenInvalid(MALFORMED, f"A token is ASCII, and has at most {MAX_TOKEN_BYTES // 1024} KB.")
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):
        raise TokenInvalid(MALFORMED, "A token is a signed JWT: three parts with dots between them.")
    header, claims = _read_part(parts[0]), _read_part(parts[1])
    if "crit" in header:
        raise TokenInvalid(MALFORMED, "The token's header has extensions (crit) that are not known here.")
    algorithm, key_id, issuer = header.get("alg"), header.get("kid", ""), claims.get("iss")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenInvalid(SIGNATURE, "A token is signed with RS256 to RS512 or ES256 to ES512; nothing else counts.")
    if not isinstance(key_id, str) or len(key_id) > MAX_KEY_ID:
        raise TokenInvalid(MALFORMED, "The id of the token's key (kid) is a text of at most 255 characters.")
    if not isinstance(issuer, str) or not _is_text(issuer):
        raise TokenInvalid(MALFORMED, "The token does not name its issuer (iss).")
    return UnverifiedToken(text, issuer, _audiences(claims), key_id, algorithm)


def _read_part(part: str) -> dict[str, Any]:
    try:
        return parse_json_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        raise TokenInvalid(MALFORMED, "A part of the token is no JSON object in base64url.") from None


def _audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    found = claims.get("aud")
    listed = found if isinstance(found, list) else [found]
    if len(listed) > MAX_AUDIENCES or not all(_is_text(each) for each in listed):
        raise TokenInvalid(MALFORMED, "The token does not name whom it is for (aud).")
    return tuple(listed)


def _is_text(value: Any) -> bool:
    """Whether a query may have it as a parameter."""
    return isinstance(value, str) and bool(value) and is_storable(value)


def verify(token: UnverifiedToken, key: IssuerKey, audiences: Collection[str]) -> VerifiedToken:
    """What the issuer with this key says of now, to one of `audiences`. Raises `TokenInvalid`."""
    if token.algorithm not in key.algorithms:
        raise TokenInvalid(SIGNATURE, f"The key that the token names is none for {token.algorithm}.")
    claims = _signed_claims(token, key)
    try:
        jwt.decode(
            token.text,
            key.public_key,
            algorithms=list(key.algorithms),
            audience=list(audiences),
            issuer=token.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
        started, ends = _time(claims, "iat"), _time(claims, "exp")
    except exceptions.InvalidAudienceError:
        raise TokenInvalid(AUDIENCE, f"It is for {', '.join(token.audiences)[:200]}.", claims) from None
    except (exceptions.InvalidSubjectError, exceptions.InvalidJTIError):
        raise TokenInvalid(MALFORMED, "Its subject or its id (sub, jti) is no text.", claims) from None
    except (exceptions.PyJWTError, ValueError, OverflowError, OSError) as error:
        raise TokenInvalid(TIME, _describe(error, claims), claims) from None
    if ends - started > MAX_LIFE:
        raise TokenInvalid(TIME, "It is valid for longer than 24 hours; have the issuer make shorter ones.", claims)
    return VerifiedToken(claims, _digest(token, claims), ends + LEEWAY)


def _signed_claims(token: UnverifiedToken, key: IssuerKey) -> dict[str, Any]:
    """The claims, once the signature is right, whatever they say."""
    try:
        found: dict[str, Any] = jwt.decode(
            token.text,
            key.public_key,
            algorithms=list(key.algorithms),
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (exceptions.PyJWTError, ValueError):
        raise TokenInvalid(SIGNATURE, "The signature is not one of its issuer's key.") from None
    return found


def _time(claims: Mapping[str, Any], name: str) -> datetime:
    return datetime.fromtimestamp(int(claims[name]), UTC)


def _describe(error: Exception, claims: Mapping[str, Any]) -> str:
    if isinstance(error, exceptions.ExpiredSignatureError):
        return f"It ended {_time(claims, 'exp'):%Y-%m-%d %H:%M:%S} UTC."
    if isinstance(error, exceptions.ImmatureSignatureError):
        return "It is not valid yet; compare the clocks of the issuer and of this portal."
    if isinstance(error, exceptions.MissingRequiredClaimError):
        return f"It has no claim {error.claim}."
    return "Its times (exp, iat, nbf) are no times."


def _digest(token: UnverifiedToken, claims: Mapping[str, Any]) -> str:
    """Of what the issuer uses once: the id of the token, else everything that was signed.

    Not the signature: of one text there are several that are right (ES256 signs with a random number, and s has two
    values), so that a second one would pass for a second token.
    """
    token_id = claims.get("jti")
    once = token_id if isinstance(token_id, str) and token_id else token.text.rpartition(".")[0]
    return hashlib.sha256(f"{token.issuer}\n{once}".encode()).hexdigest()
