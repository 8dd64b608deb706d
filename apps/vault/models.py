"""Certificates with their private keys, what it takes to get them from an authority, and registries."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.environments.models import Environment, TenantRow
from apps.vault.expiry import is_soon
from apps.vault.lifecycle import CERTIFICATE
from apps.vault.registries.models import Registry, RegistryCredential, SharedRegistry

__all__ = ["AcmeAccount", "AcmeChallenge", "Certificate", "Registry", "RegistryCredential", "SharedRegistry"]


class Certificate(TenantRow):
    """A certificate that balancers of its environment serve with.

    `cert`, `cert_chain` and `key` are PEM, normalised; the key is never shown. The columns from `common_name` to
    `alternative_names` are what `cert` says, read when it was stored. Observed: `warning` is the last warning about its
    expiry that was given (see `expiry.warning_mark`), and the status has the sentences about what is odd about it.

    `acme` says which names (`names`, `email`) an authority is to certify; empty: people bring the certificate. Then
    certificate, chain and key are observed, too: the loop orders and renews them, `order` is how far it is (see
    `acme/issuance.py`), and until the first is issued the row has one that signs itself (`is_placeholder`).
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

    acme = models.JSONField(default=dict)
    order = EncryptedJSONField(default=dict)
    is_placeholder = models.BooleanField(default=False)

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
        """Whether it has expired or will soon: within a month, or, of one that renews itself, past its due time."""
        return is_soon(self.issued_at, self.expires_at, timezone.now(), renews=bool(self.acme))


class AcmeAccount(models.Model):
    """An environment's account at one ACME server, known there by its key; `url` once it is registered."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    directory = models.CharField(max_length=512)
    key = EncryptedTextField()
    url = models.CharField(max_length=512, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["environment", "directory"], name="one_acme_account"),)

    def __str__(self) -> str:
        return self.url or self.directory


class AcmeChallenge(models.Model):
    """What the portal answers to an authority that looks for `token` under the names of a certificate."""

    token = models.CharField(max_length=128, unique=True)
    answer = models.CharField(max_length=255)
    certificate = models.ForeignKey(Certificate, on_delete=models.CASCADE, related_name="challenges")

    def __str__(self) -> str:
        return self.token
