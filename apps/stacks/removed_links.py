"""Links between services that are gone, kept for a while."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone


class RemovedServiceLink(models.Model):
    """A link that is gone, under the number it had: v1 clients look at it by its id once more.

    One that went `with_service` is kept as long as that can be restored, and made again then.
    """

    SHOWN_FOR = timedelta(hours=1)

    id = models.BigIntegerField(primary_key=True, editable=False)
    service = models.ForeignKey("stacks.Service", on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey("stacks.Service", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=255)
    ports = models.JSONField(default=list)
    with_service = models.BooleanField(default=False)
    removed = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.service} no longer -> {self.target} as {self.name}"
