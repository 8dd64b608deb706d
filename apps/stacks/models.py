"""Stacks, services, the numbered slots that tie a service to its containers, and links between services."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts.models import User
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.environments.models import TenantRow
from apps.hosts.models import Host
from apps.stacks.lifecycle import SERVICE, STACK


class Stack(TenantRow):
    """A group of services, a compose project; the wire calls it `environment`."""

    KIND = "stack"
    LIFECYCLE = STACK

    docker_compose = EncryptedTextField(blank=True)
    rancher_compose = EncryptedTextField(blank=True)
    variables = EncryptedJSONField(default=dict)
    external_id = models.CharField(max_length=255, blank=True)
    outputs = models.JSONField(default=dict)
    start_on_create = models.BooleanField(default=False)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]
        constraints = (
            models.UniqueConstraint(
                "environment", Lower("name"), condition=models.Q(removed=None), name="stack_name_once"
            ),
        )

    def __str__(self) -> str:
        return self.name


class Service(TenantRow):
    """Containers of one launch configuration, kept at `scale` while active.

    `lost_after` is how many seconds after the last contact with a lost host its containers are replaced elsewhere; None
    waits for the host. `spec` is what revision number `revision` says, `previous_revision` the one before the last
    upgrade, and `upgrade` how that upgrade goes on: its phase (see `upgrade.py`), batch size, interval, order.
    """

    KIND = "service"
    LIFECYCLE = SERVICE

    stack = models.ForeignKey(Stack, on_delete=models.CASCADE, related_name="services")
    scale = models.PositiveIntegerField(default=1)
    spec = EncryptedJSONField(default=dict)
    image = models.CharField(max_length=512, blank=True)
    metadata = models.JSONField(default=dict)
    external_id = models.CharField(max_length=255, blank=True)
    start_on_create = models.BooleanField(default=False)
    lost_after = models.PositiveIntegerField(null=True)
    revision = models.PositiveIntegerField(default=1)
    previous_revision = models.PositiveIntegerField(null=True)
    upgrade = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=["environment", "removed"])]
        constraints = (
            models.UniqueConstraint("stack", Lower("name"), condition=models.Q(removed=None), name="service_name_once"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def config(self) -> LaunchConfig:
        """What its containers are made from, as a value."""
        return LaunchConfig.from_json(self.spec or {})

    @property
    def upgrade_phase(self) -> str:
        """What is desired of the last upgrade; empty when there was none, or it is finished."""
        return str(self.upgrade.get("phase", ""))


class ServiceRevision(models.Model):
    """What the containers of a service were to be made from at one time: immutable, numbered from 1.

    A row is written when a service is first upgraded, so that one which never was has none. `account` upgraded it;
    None is the installation itself, or somebody who is gone.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    spec = EncryptedJSONField(default=dict)
    image = models.CharField(max_length=512, blank=True)
    created = models.DateTimeField(default=timezone.now)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-number",)
        unique_together = [("service", "number")]

    def __str__(self) -> str:
        return f"{self.service} revision {self.number}"

    @property
    def config(self) -> LaunchConfig:
        """What its containers are made from, as a value."""
        return LaunchConfig.from_json(self.spec or {})


class Slot(models.Model):
    """The place `number` of a service: keeps its number when its container is replaced.

    While its container is to leave its host, or is replaced by an upgrade that starts first, `successor` is the one
    that takes over as soon as it runs. `previous` is the stopped one of before the upgrade, kept for a rollback.
    """

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="slots")
    number = models.PositiveIntegerField()
    container = models.OneToOneField(Container, null=True, on_delete=models.SET_NULL, related_name="slot")
    successor = models.OneToOneField(Container, null=True, on_delete=models.SET_NULL, related_name="succeeds")
    previous = models.OneToOneField(Container, null=True, on_delete=models.SET_NULL, related_name="kept_by")
    avoid_host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("number",)
        unique_together = [("service", "number")]

    def __str__(self) -> str:
        return f"{self.service} {self.number}"


class ServiceLink(models.Model):
    """`service` reaches `target` under `name`."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="links")
    target = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="linked_by")
    name = models.CharField(max_length=255)

    class Meta:
        ordering = ("name",)
        unique_together = [("service", "name")]

    def __str__(self) -> str:
        return f"{self.service} -> {self.target} as {self.name}"


class RemovedServiceLink(models.Model):
    """A link that is gone, under the number it had: v1 clients look at it by its id once more."""

    SHOWN_FOR = timedelta(hours=1)

    id = models.BigIntegerField(primary_key=True, editable=False)
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=255)
    removed = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.service} no longer -> {self.target} as {self.name}"
