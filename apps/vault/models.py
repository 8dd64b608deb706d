"""Certificates with their private keys."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from apps.core.encrypted import EncryptedTextField
from apps.environments.models import TenantRow
from apps.vault.expiry import SOON
from apps.vault.lifecycle import CERTIFICATE


class Certificate(TenantRow):
    """A certificate that balancers of its environment serve with.

    `cert`, `cert_chain` and `key` are PEM, normalised; the key is never shown. The columns from `common_name` to
    `alternative_names` are what `cert` says, read when it was stored. Observed: `warning` is the last warning about its
    expiry that was given (see `expiry.warning_mark`), and the status has the sentences about what is odd about it.
    """

    KIND = "certificate"
    LIFECYCLE = CERTIFICATE

    cert = models.TextField()
    cert_chain = models.TextField(blank=True)
    key = EncryptedTextField()

    common_name = models.TextField(blank=True)
    issuer = models.TextField(blank=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    serial_number = models.CharField(max_length=64)
    algorithm = models.CharField(max_length=64)
    version = models.CharField(max_length=8)
    key_size = models.PositiveIntegerField()
    fingerprint = models.CharField(max_length=95)
    alternative_names = models.JSONField(default=list)

    warning = models.CharField(max_length=128, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]
        constraints = (
            models.UniqueConstraint(
                "environment", Lower("name"), condition=Q(removed=None), name="certificate_name_once"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def more_names(self) -> list[str]:
        """Its alternative names without the common name."""
        return [each for each in self.alternative_names if each != self.common_name]

    @property
    def health(self) -> str:
        """What its badge says instead of its state: that it has expired, or will soon."""
        return "expired" if self.is_expired else "expiring" if self.expires_soon else ""

    @property
    def is_expired(self) -> bool:
        """Whether browsers refuse it by now."""
        return self.expires_at <= timezone.now()

    @property
    def expires_soon(self) -> bool:
        """Whether it has expired, or will before a month is over."""
        return self.expires_at <= timezone.now() + SOON
