"""The containers of each host of a list at a glance: how many run, and a dot for each in the colour of its state."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import Count

from apps.console.states import tone
from apps.containers.models import Container

MOST = 24
ORDER = ("bad", "warn", "busy", "good", "off")


def dotted(rows: Sequence[Any], environment_id: int) -> None:
    """Give each host `total`, `running`, `dots` (tones, what is wrong first) and `more` than fit; one query."""
    there = Container.objects.within([environment_id]).filter(host__in=[row.pk for row in rows], removed=None)
    found: dict[int, Counter[str]] = defaultdict(Counter)
    states = there.order_by().values_list("host", "shown", "fault").annotate(Count("pk"))
    for host, shown, fault, count in states:
        found[host]["bad" if fault else tone(shown)] += count
        found[host]["running"] += count if shown == "running" else 0
    for row in rows:
        counts = found[row.pk]
        row.running = counts.pop("running", 0)
        row.total = sum(counts.values())
        dots = [each for each in ORDER for _ in range(min(counts[each], MOST))][:MOST]
        row.dots, row.more = dots, row.total - len(dots)
