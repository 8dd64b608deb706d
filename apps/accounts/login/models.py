"""The table of sessions: one row for each browser or program that is logged in."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.db import models
from django.utils import timezone


class Session(models.Model):
    """One session. Its key is known to the client only; the table holds the SHA-256 of it.

    `account` is empty while a browser has not logged in yet. `last_seen` is exact to a minute;
    `confirmed` is when its holder last proved who they are: at the log-in, and again where that is asked.
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
    """What the table knows a session key by; no salt is needed, keys are 32 random characters."""
    return hashlib.sha256(key.encode()).hexdigest()
