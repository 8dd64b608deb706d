"""Signatures of calls: an HMAC over the time and the body, made with the webhook's secret. Pure.

The time is part of what is signed, so that a call that somebody recorded is of no use a few minutes later.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from apps.core.errors import Unauthorized

TIMESTAMP_HEADER = "X-Corral-Timestamp"
SIGNATURE_HEADER = "X-Corral-Signature"
MAX_SKEW = 300  # seconds between the caller's clock and the portal's, either way

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CallSignature:
    """What a call says about when and with which secret it was made, in the right form but not verified."""

    timestamp: str
    text: str

    @property
    def expires(self) -> int:
        """The Unix time after which the portal refuses the signature anyway."""
        return int(self.timestamp) + MAX_SKEW

    def is_made_with(self, secret: str, body: bytes) -> bool:
        """Whether it was made with this secret, of this body; takes the same time whatever differs."""
        return hmac.compare_digest(sign(secret, self.timestamp, body), self.text)

    def skew(self, now: float) -> int:
        """How many seconds the caller's clock is behind the portal's; negative: ahead."""
        return int(now) - int(self.timestamp)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a body sent at a time, as the header has it."""
    made = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={made.hexdigest()}"


def parse_signature(timestamp: str, signature: str) -> CallSignature:
    """The two headers of a call. Raises `Unauthorized` that names the one that is missing or malformed."""
    if not _TIMESTAMP.fullmatch(timestamp):
        why = f"{TIMESTAMP_HEADER} is missing or malformed: send the Unix time in whole seconds."
        raise Unauthorized(why, field=TIMESTAMP_HEADER, code="InvalidFormat" if timestamp else "MissingRequired")
    if not _SIGNATURE.fullmatch(signature):
        why = (
            f"{SIGNATURE_HEADER} is missing or malformed: send sha256= and the HMAC-SHA-256 of the timestamp, a dot "
            "and the body, in 64 small hexadecimal digits."
        )
        raise Unauthorized(why, field=SIGNATURE_HEADER, code="InvalidFormat" if signature else "MissingRequired")
    return CallSignature(timestamp, signature)
