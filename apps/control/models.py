"""Operations (every change that was requested, and how far it is) and the append-only, hash-chained audit log."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.control.audit.vocabulary import FORMAT, V1_FORMAT, v1_event, v1_kind
from apps.core.encrypted import EncryptedTextField
from apps.core.models import TenantManager
from apps.environments.models import Environment

PENDING_STATES = ("pending", "running")


class Operation(models.Model):
    """One requested change: the v1 `processInstance`, the progress bar and the activity feed.

    `previous_values` holds (as JSON) the columns that the change replaced; a cancellation puts them back.
    States: pending -> running -> succeeded | failed; superseded by a newer change, cancelled by a person.
    """

    environment = models.ForeignKey(Environment, null=True, on_delete=models.CASCADE, related_name="+")
    account = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    via = models.CharField(max_length=16)
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=32)
    target = models.BigIntegerField()
    target_name = models.CharField(max_length=255, blank=True)
    generation = models.PositiveIntegerField()
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    state = models.CharField(max_length=16, default="pending")
    progress = models.PositiveSmallIntegerField(null=True)
    message = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    input = models.JSONField(default=dict)
    previous_values = EncryptedTextField(blank=True)
    result = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)

    all_objects: ClassVar[models.Manager[Any]] = models.Manager()
    objects: ClassVar[Any] = TenantManager()

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["kind", "target", "state"]),
            models.Index(fields=["environment", "-id"]),
            models.Index(
                fields=["created"], condition=models.Q(state__in=PENDING_STATES), name="control_operation_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.target_name}"

    @property
    def is_pending(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in PENDING_STATES


class OperationLine(models.Model):
    """One step of an operation, for people to read."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="lines")
    at = models.DateTimeField(default=timezone.now)
    text = models.TextField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.text


class AuditHead(models.Model):
    """Where one chain ends and, after retention, begins: an environment's chain, or the installation's (number 0).

    `length` counts the links ever made; `seal` is the installation's signature of the end. The `pruned` columns are
    the checkpoint of what retention deleted, signed as well: the last link and its digest, the newest time among the
    entries, and how many entries.
    """

    environment_number = models.BigIntegerField(unique=True)
    digest = models.CharField(max_length=64, blank=True)
    length = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)
    pruned = models.BigIntegerField(default=0)
    pruned_digest = models.CharField(max_length=64, blank=True)
    pruned_until = models.DateTimeField(null=True)
    pruned_lines = models.BigIntegerField(default=0)
    pruned_seal = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"chain {self.environment_number}"

    @property
    def end(self) -> str:
        """The text that `seal` signs."""
        return f"end:{self.environment_number}:{self.length}:{self.digest}"

    @property
    def beginning(self) -> str:
        """The text that `pruned_seal` signs."""
        until = self.pruned_until.astimezone(UTC).isoformat() if self.pruned_until else ""
        values = (self.environment_number, self.pruned, self.pruned_digest, until, self.pruned_lines)
        return "begin:" + ":".join(map(str, values))


class AuditEntry(models.Model):
    """One entry of the audit log: a link of its chain and, once the request is answered, a second one.

    `digest` covers the entry and the digest of the link before it; `answer_digest` covers the answer (`code`,
    `response`) and the digest before that; `number` and `answer_number` are the links' places. `account_number` and
    `key_number` outlive the account and the key, so that deleting one breaks no chain. `format` says in which
    vocabulary `event` and `kind` were sealed (`audit.vocabulary`).
    """

    environment = models.ForeignKey(Environment, null=True, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    account_number = models.BigIntegerField(null=True)
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    key_number = models.BigIntegerField(null=True)
    via = models.CharField(max_length=16)
    auth_type = models.CharField(max_length=32, blank=True)
    event = models.CharField(max_length=128)
    kind = models.CharField(max_length=32, blank=True)
    target = models.BigIntegerField(null=True)
    target_name = models.CharField(max_length=255, blank=True)
    address = models.CharField(max_length=64, blank=True)
    request = models.JSONField(default=dict)
    response = models.JSONField(default=dict)
    code = models.CharField(max_length=8, blank=True)
    format = models.PositiveSmallIntegerField(default=FORMAT)
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    number = models.BigIntegerField(null=True)
    answer_number = models.BigIntegerField(null=True)
    answer_digest = models.CharField(max_length=64, blank=True)

    all_objects: ClassVar[models.Manager[Any]] = models.Manager()
    objects: ClassVar[Any] = TenantManager()

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["environment", "-id"]),
            models.Index(fields=["environment", "number"]),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.target_name}"

    def fingerprint(self) -> str:
        """SHA-256 over everything about the entry that must never change, and the digest before it."""
        is_v1 = self.format == V1_FORMAT
        event, kind = (v1_event(self.event), v1_kind(self.kind)) if is_v1 else (self.event, self.kind)
        values = [
            self.previous_digest, self.environment_id, self.at.isoformat(), self.account_number, self.via,
            self.auth_type, event, kind, self.target, self.target_name, self.address, self.request,
            self.key_number,
        ]  # fmt: skip
        # Covered too, or an entry could be moved to the other vocabulary and say something else without a trace.
        return _digest(values if is_v1 else [*values, self.format])

    def answer_fingerprint(self, previous_digest: str) -> str:
        """SHA-256 over the answer, which line it belongs to, and the digest before it."""
        return _digest([previous_digest, self.number, self.digest, self.code, self.response])


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
