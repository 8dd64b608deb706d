"""The tables of registries: of environments with their credentials, and those that administrators share."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.core.encrypted import EncryptedTextField
from apps.core.models import Managed
from apps.environments.models import TenantRow
from apps.vault.registries.addresses import title_of
from apps.vault.registries.lifecycle import REGISTRY, REGISTRY_CREDENTIAL, SHARED_REGISTRY
from apps.vault.registries.logins import RegistryLogin

_PRESENT = Q(desired__in=("active", "inactive"))


class Registry(TenantRow):
    """A registry that an environment pulls from; `domain` is the one name of its address in all spellings.

    `mirror` is where its images are pulled from first, as `mirrors.parse_mirror` writes it, since `mirror_changed_at`.
    """

    KIND = "registry"
    LIFECYCLE = REGISTRY

    server_address = models.CharField(max_length=255)
    domain = models.CharField(max_length=255)
    mirror = models.CharField(max_length=255, blank=True)
    mirror_changed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]
        constraints = (
            models.UniqueConstraint("environment", "domain", condition=_PRESENT, name="registry_address_once"),
        )

    def __str__(self) -> str:
        return self.name or self.title

    @property
    def title(self) -> str:
        """The registry as people call it."""
        return title_of(self.domain)


class RegistryCredential(TenantRow):
    """An account at a registry of its environment; the secret is never shown.

    Of the credentials of a registry one is active at most: activating one deactivates the other. `changed_at` is when
    what engines are given changed last: a pull that failed before that is tried again.
    """

    KIND = "registryCredential"
    LIFECYCLE = REGISTRY_CREDENTIAL

    registry = models.ForeignKey(Registry, on_delete=models.CASCADE, related_name="credentials")
    public_value = models.CharField(max_length=255, blank=True)
    secret_value = EncryptedTextField(blank=True)
    email = models.CharField(max_length=255, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]
        constraints = (
            models.UniqueConstraint("registry", condition=Q(desired="active"), name="registry_credential_active_once"),
        )

    def __str__(self) -> str:
        return self.name or self.public_value

    @property
    def login(self) -> RegistryLogin:
        """What engines are given."""
        return RegistryLogin(self.registry.domain, self.public_value, self.secret_value, self.email)


class SharedRegistry(Managed):
    """A registry with an account that administrators lend to environments, which never see its secret.

    `lent_to` are the numbers of these environments, None for all. A credential of an environment's own goes first, as
    does a mirror of its own; `mirror` is as in `Registry`.
    """

    KIND = "sharedRegistry"
    LIFECYCLE = SHARED_REGISTRY

    server_address = models.CharField(max_length=255)
    domain = models.CharField(max_length=255)
    public_value = models.CharField(max_length=255, blank=True)
    secret_value = EncryptedTextField(blank=True)
    email = models.CharField(max_length=255, blank=True)
    lent_to = models.JSONField(null=True, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    mirror = models.CharField(max_length=255, blank=True)
    mirror_changed_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager()
    all_objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint("domain", condition=_PRESENT, name="shared_registry_address_once"),)

    def __str__(self) -> str:
        return self.name or self.title

    @property
    def title(self) -> str:
        """The registry as people call it."""
        return title_of(self.domain)

    @property
    def login(self) -> RegistryLogin:
        """What engines are given."""
        return RegistryLogin(self.domain, self.public_value, self.secret_value, self.email)

    def is_lent_to(self, environment_id: int) -> bool:
        """Whether containers of the environment may pull with it."""
        return self.lent_to is None or environment_id in self.lent_to
