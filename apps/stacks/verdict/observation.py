"""The row of an upgrade that is judged."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class UpgradeObservation(models.Model):
    """What is seen of one upgrade that is to be judged, written by the observer alone (`apps/stacks/verdict/`).

    `stage` is what it waits for: the first batch to prove itself, the rest to be replaced, or all of them to;
    `window_from` is when the time of that stage began, `away` how many seconds of it nobody was watching. `outcome`
    is what came of the verdict; it is over once it has `ended`. `error_lines` counts those of some containers, by their
    numbers, and how far their logs were read, `responses` what balancers counted; `history` is drawn in the charts.
    """

    FIRST_BATCH, REST, ALL = "first-batch", "rest", "all"

    service = models.ForeignKey("stacks.Service", on_delete=models.CASCADE, related_name="observations")
    revision = models.PositiveIntegerField()
    settings = models.JSONField(default=dict)
    started = models.DateTimeField(default=timezone.now)
    stage = models.CharField(max_length=16, default=FIRST_BATCH)
    window_from = models.DateTimeField(null=True)
    away = models.FloatField(default=0)
    observed_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=16, blank=True)
    summary = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    error_lines = models.JSONField(default=dict)
    logs_read_at = models.DateTimeField(null=True)
    responses = models.JSONField(null=True)
    history = models.JSONField(null=True)
    outcome = models.CharField(max_length=16, blank=True)
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        unique_together = [("service", "revision")]
        indexes = [models.Index(fields=["observed_at"], condition=models.Q(ended=None), name="observation_open")]

    def __str__(self) -> str:
        return f"{self.service} judged at revision {self.revision}"
