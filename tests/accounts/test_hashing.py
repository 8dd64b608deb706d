"""How passwords are hashed outside the tests, which use a cheap hash."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.test import override_settings

from portal.settings import auth


def test_passwords_are_kept_as_argon2_hashes() -> None:
    with override_settings(PASSWORD_HASHERS=auth.PASSWORD_HASHERS):
        assert make_password("correct horse battery staple").startswith("argon2$argon2id$")
