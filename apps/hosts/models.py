"""Hosts and the tokens with which more of them join."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.environments.models import TenantRow
from apps.hosts.lifecycle import HOST, TOKEN


class Host(TenantRow):
    """A machine with an engine, owned by one environment.

    `url` is where the engine listens, `tls` its certificate material (ca, cert, key as PEM), `labels` the user's.
    The sighting: `engine_id`, `hostname`, `info` (v1 `host.info`), and which process holds the engine's event stream
    (`gateway`, until `gateway_until`).
    """

    KIND = "host"
    LIFECYCLE = HOST

    url = models.CharField(max_length=512)
    tls = EncryptedJSONField(default=dict)
    labels = models.JSONField(default=dict)
    address = models.CharField(max_length=255, blank=True)

    engine_id = models.CharField(max_length=128, blank=True, db_index=True)
    hostname = models.CharField(max_length=255, blank=True)
    info = models.JSONField(default=dict)
    engine_labels = models.JSONField(default=dict)
    gateway = models.CharField(max_length=64, blank=True)
    gateway_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name or self.hostname or self.url

    @property
    def all_labels(self) -> dict[str, Any]:
        """The engine's automatic labels and the user's, the user's winning."""
        return {**self.engine_labels, **self.labels}


class RegistrationToken(TenantRow):
    """The key with which hosts register themselves in an environment; the secret signs, it never leaves."""

    KIND = "registrationToken"
    LIFECYCLE = TOKEN

    public_value = models.CharField(max_length=64, unique=True)
    secret_value = EncryptedTextField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.public_value
