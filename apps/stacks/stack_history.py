"""The table of what whole stacks were to be; what is done with it is in `stack_revisions.py`."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from apps.accounts.models import User
from apps.core.encrypted import EncryptedJSONField, EncryptedTextField


class StackRevision(models.Model):
    """What a whole stack was to be at one time: immutable, numbered from 1.

    `services` is the state of each of them, with its links (see `stack_plan.ServiceState`); the compose texts and
    variables are those it was made from, if it was. `account` made it by `via`, None is the installation itself.
    """

    stack = models.ForeignKey("stacks.Stack", on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    services = EncryptedJSONField(default=list)
    docker_compose = EncryptedTextField(blank=True)
    rancher_compose = EncryptedTextField(blank=True)
    variables = EncryptedJSONField(default=dict)
    external_id = models.CharField(max_length=255, blank=True)
    created = models.DateTimeField(default=timezone.now)
    account = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    via = models.CharField(max_length=16, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-number",)
        unique_together = [("stack", "number")]

    def __str__(self) -> str:
        return f"{self.stack} revision {self.number}"
