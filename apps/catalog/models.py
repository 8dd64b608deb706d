"""The tables of catalogs, and the index of what is in them: templates, and the versions of these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from apps.catalog.lifecycle import CATALOG
from apps.core.encrypted import EncryptedTextField
from apps.core.models import Managed, TenantManager, TenantQuerySet
from apps.environments.models import Environment

GIT, LIBRARY = "git", "library"
_PRESENT = Q(desired__in=("active", "inactive"))


class CatalogQuerySet(TenantQuerySet["Catalog"]):
    """Catalogs of environments; every environment sees those of the whole installation, too."""

    def within(self, environments: Iterable[int]) -> Self:
        """Those of these environments, and those of all environments."""
        clone = self.filter(Q(environment__in=environments) | Q(environment=None))
        clone.scoped = True
        return clone


class CatalogManager(TenantManager["Catalog"]):
    """Guards the table as the manager of every tenant's table does."""

    def get_queryset(self) -> CatalogQuerySet:
        """Rows that raise when they are read without saying for which environments."""
        return CatalogQuerySet(self.model, using=self._db)


class Catalog(Managed):
    """A collection of templates: a git repository, or the library that comes with the program (`source`).

    `environment` is the one that sees it, None for a catalog of the whole installation. `secret` is a password, a token
    or a private key for ssh. Observed: `commit` is the state that the index holds, `indexed_at` when it was read,
    `read_as` what of the desired columns it was read with, and `next_poll` when the repository is looked at again.
    """

    KIND = "catalog"
    LIFECYCLE = CATALOG

    environment = models.ForeignKey(Environment, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=16, default=GIT)
    url = models.CharField(max_length=1024, blank=True)
    branch = models.CharField(max_length=200, blank=True)
    username = models.CharField(max_length=255, blank=True)
    secret = EncryptedTextField(blank=True)
    poll_seconds = models.PositiveIntegerField(default=300)

    commit = models.CharField(max_length=64, blank=True)
    read_as = models.CharField(max_length=64, blank=True)
    indexed_at = models.DateTimeField(null=True, blank=True)
    next_poll = models.DateTimeField(default=timezone.now)

    all_objects: ClassVar[models.Manager[Any]] = models.Manager()
    objects = CatalogManager()

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                "environment", Lower("name"), condition=_PRESENT & ~Q(environment=None), name="catalog_name_once"
            ),
            models.UniqueConstraint(
                Lower("name"), condition=_PRESENT & Q(environment=None), name="site_catalog_name_once"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def refusal(self, action: str) -> str:
        """The library belongs to the program: it is switched off, not deleted or changed."""
        if self.source == LIBRARY and action in {"remove", "update", "purge"}:
            return "Not possible: the library comes with the portal; deactivate it to hide it."
        return ""


class Template(models.Model):
    """A template of a catalog: a folder with versions, as the index read it last.

    `folder` is its path in the repository and `key` its name in addresses, such as `jenkins` or `infra*ipsec`. `newest`
    is the version that is offered first; `fault` says what is wrong with the template, empty when nothing is.
    """

    catalog = models.ForeignKey(Catalog, on_delete=models.CASCADE, related_name="templates")
    key = models.CharField(max_length=160)
    folder = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=1024, blank=True)
    categories = models.JSONField(default=list)
    details = models.JSONField(default=dict)
    is_system = models.BooleanField(default=False)
    icon = models.CharField(max_length=255, blank=True)
    icon_digest = models.CharField(max_length=64, blank=True)
    newest_version = models.CharField(max_length=100, blank=True)
    newest_number = models.PositiveIntegerField(null=True)
    versions_count = models.PositiveIntegerField(default=0)
    fault = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint("catalog", "key", name="catalog_template_once"),)

    def __str__(self) -> str:
        return self.name


class TemplateVersion(models.Model):
    """A version of a template: the numbered folder `number`, whose files have the digest `digest` together.

    `version` is what people call it. From `upgrade_from` (a comparison such as `>=1.2`; empty: from any) it may be
    upgraded to. `fault` says why it cannot be launched, empty when nothing is known against it.
    """

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    version = models.CharField(max_length=100)
    digest = models.CharField(max_length=64)
    upgrade_from = models.CharField(max_length=200, blank=True)
    minimum_version = models.CharField(max_length=50, blank=True)
    maximum_version = models.CharField(max_length=50, blank=True)
    fault = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint("template", "number", name="catalog_version_once"),)

    def __str__(self) -> str:
        return self.version
