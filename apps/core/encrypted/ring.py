"""The installation's keys: what they encrypt and sign; the first key does, all of them read."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


@functools.cache
def _keyring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys])


def encrypt(text: str) -> str:
    """`text` as a Fernet token under the newest key."""
    return _keyring(tuple(settings.FIELD_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text behind `token`; raises `InvalidToken` when no key fits."""
    return _keyring(tuple(settings.FIELD_KEYS)).decrypt(token.encode()).decode()


def sign(text: str) -> str:
    """The installation's mark under `text` (HMAC-SHA-256, hex): only who holds its keys can make it."""
    return _mark(settings.FIELD_KEYS[0], text)


def is_signed(text: str, mark: str) -> bool:
    """Whether `mark` is this installation's under `text`, by any of its keys."""
    return any(hmac.compare_digest(_mark(key, text), mark) for key in settings.FIELD_KEYS)


def _mark(key: str, text: str) -> str:
    own = hashlib.sha256(f"mark:{key}".encode()).digest()  # not the key that encrypts
    return hmac.new(own, text.encode(), hashlib.sha256).hexdigest()
