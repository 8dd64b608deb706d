"""One-time codes: those of an authenticator, and the recovery codes for when it is lost. Pure but for randomness."""

from __future__ import annotations

import hashlib
import secrets
import time

import pyotp

STEP = 30
DIGITS = 6
ISSUER = "Corral"
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def secret_make() -> str:
    """A new shared secret: 160 bits in base 32."""
    return pyotp.random_base32()


def totp_uri(secret: str, login: str) -> str:
    """The content of the QR code for an authenticator."""
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=login, issuer_name=ISSUER)


def matching_time_step(secret: str, code: str, *, after: int, now: float | None = None) -> int | None:
    """The time step whose code this is: the current one, or a neighbor; None for a wrong code.

    Steps up to `after` are refused: their codes were used.
    """
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    current = int((time.time() if now is None else now) // STEP)
    totp = pyotp.TOTP(secret, interval=STEP)
    matching = [
        step for step in (current - 1, current, current + 1) if secrets.compare_digest(totp.generate_otp(step), code)
    ]
    return next((step for step in matching if step > after), None)


def recovery_codes_make() -> list[str]:
    """Ten new recovery codes of 79 bits each, in groups that can be typed."""
    return ["-".join(_group() for _ in range(4)) for _ in range(RECOVERY_CODES)]


def _group() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(4))


def recovery_digest(code: str) -> str:
    """The form in which a recovery code is stored; blanks, dashes and letter case are ignored."""
    plain = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def normalize_code(code: str) -> str:
    """A typed code without the blanks that authenticators show."""
    return "".join(code.split())[:64]
