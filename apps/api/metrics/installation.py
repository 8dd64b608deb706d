"""What only administrators see: how the portal itself does."""

from __future__ import annotations

import redis
from django.conf import settings

from apps.api.metrics.families import MetricFamily, labelled, single
from apps.api.metrics.http_counts import counts
from apps.control.load import load_level, seconds_behind
from apps.control.queue import connection
from apps.control.shares import QUEUES


def installation_families() -> list[MetricFamily]:
    """The metrics of the portal, without its environments."""
    version = labelled("corral_build_info", "The portal's version; always 1.", "version", [((settings.VERSION,), 1)])
    return [
        version,
        single("corral_seconds_behind", "How late the portal is with its work.", round(seconds_behind(), 3)),
        single(
            "corral_load_level", "What it leaves out until it has caught up: 0 nothing, 3 placements.", load_level()
        ),
        *_queue_lengths(),
        *counts.families(),
    ]


def _queue_lengths() -> list[MetricFamily]:
    """How many reconciles wait in each queue; nothing while the broker does not answer or there is none."""
    if settings.WAKE_BY == "clock":
        return []
    try:
        with connection().pipeline(transaction=False) as pipeline:
            for name in QUEUES:
                pipeline.llen(name)
            lengths = pipeline.execute()
    except redis.RedisError:
        return []
    samples = (((name,), float(length)) for name, length in zip(QUEUES, lengths, strict=True))
    return [labelled("corral_queue_length", "Reconciles that wait in a queue.", "queue", samples)]
