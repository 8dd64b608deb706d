"""The tables of logging in: sessions, second factors and recovery codes."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.core.encrypted import EncryptedTextField


class Session(models.Model):
    """One session. Its key is known to the client only; the table holds the SHA-256 of it.

    `account` is empty while a browser has not logged in yet. `last_seen` is exact to a minute;
    `confirmed` is when its holder last authenticated: at the login, and again before sensitive changes.
    """

    digest = models.CharField(max_length=64, unique=True)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="login_sessions"
    )
    data = models.TextField()
    created = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(db_index=True)
    confirmed = models.DateTimeField(null=True)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=255, blank=True)
    via = models.CharField(max_length=16, default="console")
    provider = models.CharField(max_length=16, blank=True)

    class Meta:
        ordering = ("-last_seen", "-id")

    def __str__(self) -> str:
        return f"{self.via} from {self.address}"


def digest_of(key: str) -> str:
    """The form in which a session key is stored; no salt is needed, keys are 32 random characters."""
    return hashlib.sha256(key.encode()).hexdigest()


class Totp(models.Model):
    """The second factor of a local account: the secret that its authenticator shares with us.

    It is in force once `confirmed` is set. `last_step` is the newest time step whose code was used: none is accepted
    twice.
    """

    account = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="totp")
    secret = EncryptedTextField()
    created = models.DateTimeField(default=timezone.now)
    confirmed = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"second factor of {self.account_id}"


class RecoveryCode(models.Model):
    """A code that replaces, once, an authenticator that was lost; stored as SHA-256."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["account", "digest"], name="recovery_code_once"),)

    def __str__(self) -> str:
        return f"recovery code of {self.account_id}"
