"""Model fields encrypted at rest, and signatures, with the installation's keys: the first key encrypts and signs,
all of them decrypt and verify.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


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
    return _signature(settings.FIELD_KEYS[0], text)


def is_signed(text: str, signature: str) -> bool:
    """Whether `signature` is this installation's under `text`, by any of its keys."""
    return any(hmac.compare_digest(_signature(key, text), signature) for key in settings.FIELD_KEYS)


def _signature(key: str, text: str) -> str:
    own = hashlib.sha256(f"mark:{key}".encode()).digest()  # not the key that encrypts
    return hmac.new(own, text.encode(), hashlib.sha256).hexdigest()


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that the database never sees in clear; it cannot be searched."""

    _pyi_private_set_type: str
    _pyi_private_get_type: str

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in; empty stays empty."""
        return encrypt(str(value)) if value else value

    def from_db_value(self, value: Any, *_: object) -> Any:
        """Decrypt on the way out."""
        return decrypt(value) if value else value


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """A JSON value that the database never sees in clear; it cannot be searched."""

    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt the compact JSON text."""
        return encrypt(json.dumps(value, separators=(",", ":")))

    def from_db_value(self, value: Any, *_: object) -> Any:
        """Decrypt and parse."""
        return json.loads(decrypt(value)) if value else None

    def value_to_string(self, obj: models.Model) -> str:
        """Clear JSON for serialisers."""
        return json.dumps(self.value_from_object(obj))
