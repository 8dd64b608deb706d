"""The containers of each host in a list: how many run, and a dot in the colour of its state for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import Count

from apps.console.components.state_badges import tone
from apps.containers.models import Container

MAX_DOTS = 24
TONE_ORDER = ("bad", "warn", "busy", "good", "off")


def add_state_dots(rows: Sequence[Any], environment_id: int) -> None:
    """Set `total`, `running`, `dots` (tones, failed first) and `more` (the rest) on each host; one query."""
    containers = Container.objects.within([environment_id]).filter(host__in=[row.pk for row in rows], removed=None)
    counters: dict[int, Counter[str]] = defaultdict(Counter)
    states = containers.order_by().values_list("host", "display_state", "fault", "health").annotate(Count("pk"))
    for host, state, fault, health, count in states:
        word = health if state == "running" and health else state
        counters[host]["bad" if fault else tone(word)] += count
        counters[host]["running"] += count if state == "running" else 0
    for row in rows:
        counts = counters[row.pk]
        running = counts.pop("running", 0)
        row.running = 0 if row.lost_at else running  # what was last seen running may have ended since
        row.total = sum(counts.values())
        dots = [each for each in TONE_ORDER for _ in range(min(counts[each], MAX_DOTS))][:MAX_DOTS]
        row.dots, row.more = dots, row.total - len(dots)
