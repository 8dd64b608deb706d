"""Environments (the tenants), their members, the keys pinned to them, and the base of every tenant row."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from apps.accounts.models import AccountNumber, ApiKey, Session
from apps.core.encrypted import EncryptedTextField
from apps.core.models import Managed, TenantManager
from apps.environments.lifecycle import ENVIRONMENT
from apps.environments.roles import PERMISSIONS, ROLES


class Environment(Managed):
    """A tenant: hosts, stacks, containers and keys belong to exactly one."""

    KIND = "environment"
    LIFECYCLE = ENVIRONMENT

    id = models.BigIntegerField(primary_key=True, editable=False)
    wire_uuid = models.CharField(max_length=64, blank=True)

    objects = models.Manager()

    class Meta:
        # Permissions stand in `roles.PERMISSIONS`; listed here, each new one would need a migration.
        ordering = ("id",)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Give a new environment its number."""
        if self.pk is None:
            self.pk = AccountNumber.allocate()
            self.wire_uuid = self.wire_uuid or str(self.uuid or uuid.uuid4())
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return self.name


class EnvironmentUserPermission(UserObjectPermissionBase):
    """guardian's grant of one permission in one environment to one account."""

    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE)


class EnvironmentGroupPermission(GroupObjectPermissionBase):
    """guardian's grant of one permission in one environment to one role's group."""

    content_object = models.ForeignKey(Environment, on_delete=models.CASCADE)


class Role(models.Model):
    """A role that an administrator made: a name for a set of permissions, usable by members and keys."""

    name = models.CharField(max_length=32, unique=True)
    label = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=255, blank=True)
    permissions = models.JSONField(default=list)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.label or self.name

    @property
    def held(self) -> frozenset[str]:
        """Its permissions."""
        return frozenset(self.permissions) & PERMISSIONS.keys()

    @classmethod
    def permissions_by_role(cls) -> dict[str, frozenset[str]]:
        """All roles: the built-in ones, then those that were made here."""
        return {**ROLES, **{role.name: role.held for role in cls.objects.all()}}

    @classmethod
    def permissions_of(cls, name: str) -> frozenset[str]:
        """What the role of this name gives: nothing when there is none (any more)."""
        return cls.permissions_named([name])[name]

    @classmethod
    def permissions_named(cls, names: Collection[str]) -> dict[str, frozenset[str]]:
        """What each of these roles gives; there is no query when only built-in roles are named."""
        made = {name for name in names if name and name not in ROLES}
        found = {role.name: role.held for role in cls.objects.filter(name__in=made)} if made else {}
        return {name: ROLES.get(name, found.get(name, frozenset())) for name in names}


class RoleGroup(models.Model):
    """The one Django group that holds a role in an environment."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="role_groups")
    role = models.CharField(max_length=32)
    group = models.OneToOneField(Group, on_delete=models.CASCADE)

    class Meta:
        unique_together = [("environment", "role")]

    def __str__(self) -> str:
        return f"{self.role} of {self.environment_id}"


class Member(models.Model):
    """Who has which role: the table people edit; groups and grants are derived from it (`services.members`)."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="members")
    identity_type = models.CharField(max_length=32, default="rancher_id")
    identity = models.CharField(max_length=512)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=32)

    class Meta:
        ordering = ("id",)
        unique_together = [("environment", "identity_type", "identity")]

    def __str__(self) -> str:
        return f"{self.identity} is {self.role}"


class KeyScope(models.Model):
    """Makes an API key an environment key: it acts in this environment only, with at most this role."""

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, related_name="scope")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="key_scopes")
    role = models.CharField(max_length=32, default="owner")

    def __str__(self) -> str:
        return f"{self.role} in {self.environment_id}"


class OpenSocket(models.Model):
    """One WebSocket that some process holds open: whose it is, and the permission it requires in which environment.

    `environment` None is the whole installation, where the permission is `admin`; `kind` and `target` are the row that
    it shows, if it is one. A row that its process has not confirmed for `STALE` belongs to a process that died.
    """

    HEARTBEAT = timedelta(seconds=20)
    STALE = timedelta(seconds=60)

    process = models.CharField(max_length=64, db_index=True)
    account = models.BigIntegerField(null=True, db_index=True)
    key = models.BigIntegerField(null=True, db_index=True)
    environment = models.BigIntegerField(null=True, db_index=True)
    verb = models.CharField(max_length=32)
    permission = models.CharField(max_length=32)
    kind = models.CharField(max_length=32, blank=True)
    target = models.BigIntegerField(null=True)
    address = models.CharField(max_length=64, blank=True)
    opened = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.verb} of {self.account} in {self.environment}"


class SocketTicket(models.Model):
    """Opens one WebSocket once: bound to an account, an environment, a verb and a target; only its hash is stored.

    It is valid no longer than what it was issued to: `session`, or (`via_open_mode`) open mode."""

    LIFE = timedelta(seconds=30)

    digest = models.CharField(max_length=64, unique=True)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="+")
    via_open_mode = models.BooleanField(default=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    verb = models.CharField(max_length=32)
    kind = models.CharField(max_length=32)
    target = models.BigIntegerField()
    details = models.JSONField(default=dict)
    expires = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.target}"


class DeviceLogin(models.Model):
    """A program that waits for a person to give it a key, as in RFC 8628: it has one code, the person a short one.

    `machine` and `address` are what the program says of itself and where it is. `secret` is the key's other half from
    the moment that it is allowed until the program has fetched it, once.
    """

    LIFE = timedelta(minutes=10)
    WAITING, ALLOWED, DENIED, FETCHED = "waiting", "allowed", "denied", "fetched"

    digest = models.CharField(max_length=64, unique=True)
    user_code = models.CharField(max_length=9, unique=True)
    machine = models.CharField(max_length=100)
    address = models.CharField(max_length=64)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(db_index=True)
    polled = models.DateTimeField(null=True)
    state = models.CharField(max_length=16, default=WAITING)
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.CASCADE, related_name="+")
    secret = EncryptedTextField(blank=True)

    def __str__(self) -> str:
        return f"{self.machine} ({self.state})"


class TenantRow(Managed):
    """A managed row of one environment: `objects` raises until given environments, the loop uses `all_objects`."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")

    all_objects: ClassVar[models.Manager[Any]] = models.Manager()
    objects = TenantManager()

    class Meta:
        abstract = True
