"""The lock of a stack or service; what it prevents is in `locks.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from apps.accounts.models import User
from apps.environments.models import Environment

if TYPE_CHECKING:
    from apps.stacks.models import Service, Stack


class Lock(models.Model):
    """Nobody changes the stack or service until somebody who may takes the lock away; the name outlives the account."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    stack = models.OneToOneField("stacks.Stack", null=True, on_delete=models.CASCADE, related_name="lock")
    service = models.OneToOneField("stacks.Service", null=True, on_delete=models.CASCADE, related_name="lock")
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    account_name = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(stack=None, service__isnull=False) | models.Q(stack__isnull=False, service=None),
                name="lock_of_one_thing",
            ),
        )

    def __str__(self) -> str:
        return f"lock of {self.target}"

    @property
    def target(self) -> Stack | Service:
        """What is locked."""
        found = self.stack or self.service
        assert found is not None  # noqa: S101 - the constraint says so
        return found
