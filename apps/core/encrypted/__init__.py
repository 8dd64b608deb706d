"""Model fields whose values are encrypted at rest with the installation's keys; the first key encrypts, all decrypt."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import InvalidToken
from django.db import models

from apps.core.encrypted.ring import decrypt, encrypt, is_signed, sign


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


__all__ = ["EncryptedJSONField", "EncryptedTextField", "InvalidToken", "decrypt", "encrypt", "is_signed", "sign"]
