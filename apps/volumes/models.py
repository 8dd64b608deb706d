"""Volumes, what mounts them, and the storage pools that they are in: one for each host."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from apps.containers.models import Container
from apps.core.encrypted import EncryptedJSONField
from apps.environments.models import Environment, TenantRow
from apps.hosts.models import Host
from apps.volumes.lifecycle import STORAGE_POOL, VOLUME
from apps.volumes.scope import ENGINE

MAX_USERS_NAMED = 3


class StoragePool(TenantRow):
    """Where a host's engine keeps its volumes.

    Observed: `status` (how many volumes there are, how many nothing mounts, their bytes), and `measured_at`, when the
    engine was last asked how large they are, which costs it the reading of all their files' sizes.
    """

    KIND = "storagePool"
    LIFECYCLE = STORAGE_POOL

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="storage_pool")
    measured_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class Volume(TenantRow):
    """A volume on one host; `name` is the engine's, `options` are the driver's and may hold passwords.

    `on_engine` says that it was seen there, so that what is missing was removed there. Observed besides: `labels`,
    `mountpoint`, `made_at` (by the engine's clock), `size` in bytes (None: not measured), `scope` (see `scope.py`),
    `users` (the names of containers that mount it), `unused_since`, and who had it last: the stack's name, the key of
    its service (a Service's uuid) and the container's name.
    """

    KIND = "volume"
    LIFECYCLE = VOLUME

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="volumes")
    driver = models.CharField(max_length=255, default="local")
    options = EncryptedJSONField(default=dict)
    labels = models.JSONField(default=dict)

    on_engine = models.BooleanField(default=False)
    mountpoint = models.CharField(max_length=1024, blank=True)
    made_at = models.DateTimeField(null=True)
    size = models.PositiveBigIntegerField(null=True)
    scope = models.CharField(max_length=16, default=ENGINE)
    users = models.JSONField(default=list)
    unused_since = models.DateTimeField(null=True)
    stack_name = models.CharField(max_length=255, blank=True)
    service_key = models.UUIDField(null=True, db_index=True)
    container_name = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]
        constraints = (
            models.UniqueConstraint(fields=["host", "name"], condition=Q(removed=None), name="volume_name_once"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def short_name(self) -> str:
        """The name as people can read it: 64 digits that an engine made up are cut."""
        return f"{self.name[:12]}…" if len(self.name) > 60 else self.name

    def refusal(self, action: str) -> str:
        """What a container mounts is not removed, whether the container runs or not."""
        if action != "remove" or not self.users:
            return ""
        return _("Not possible: it is used by %(names)s. Remove what uses it first.") % {
            "names": name_users(self.users)
        }


def name_users(names: list[str]) -> str:
    """The first few names of containers, and how many more there are."""
    shown = ", ".join(names[:MAX_USERS_NAMED])
    more = len(names) - MAX_USERS_NAMED
    return _("%(names)s and %(more)d more") % {"names": shown, "more": more} if more > 0 else shown


class VolumeMount(models.Model):
    """Where a container has a volume; `path` is inside the container."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    volume = models.ForeignKey(Volume, on_delete=models.CASCADE, related_name="mounts")
    container = models.ForeignKey(Container, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=1024)
    writable = models.BooleanField(default=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["volume", "container", "path"], name="volume_mounted_once_per_path"),
        )

    def __str__(self) -> str:
        return self.path
