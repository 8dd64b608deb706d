"""Which calls are kept: the newest of each webhook, and every one whose signature could still be sent again."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count
from django.utils import timezone

from apps.stacks.webhooks.models import DeployWebhookCall

KEPT = 20
BATCH = 500


def webhook_calls_delete_expired(now: datetime | None = None) -> int:
    """Delete what is past both; how many calls went."""
    now = now or timezone.now()
    busy = DeployWebhookCall.objects.order_by().values("webhook").annotate(count=Count("pk")).filter(count__gt=KEPT)
    gone = 0
    for webhook in busy.values_list("webhook", flat=True)[:BATCH]:
        mine = DeployWebhookCall.objects.filter(webhook=webhook)
        newest = list(mine.values_list("pk", flat=True)[:KEPT])
        gone += mine.filter(expires__lt=now).exclude(pk__in=newest).delete()[0]
    return gone
