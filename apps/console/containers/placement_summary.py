"""Why a container is where it is, in a few lines: the host that was chosen, and the other hosts by reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from apps.containers.models import Container

MAX_NAMES = 40
MAX_LINE_NAMES, MAX_LINE_GROUPS = 5, 3  # of one container among many


@dataclass
class HostGroup:
    """The hosts about which the placement said the same."""

    verdict: str
    reason: str
    names: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def more(self) -> int:
        """How many names are left out."""
        return self.count - len(self.names)


def group_trace(trace: Iterable[Mapping[str, Any]] | None) -> list[HostGroup]:
    """The lines of a placement's trace by verdict and reason: the chosen host, the possible ones, the refused ones.

    With hundreds of hosts a line for each says less than "187 hosts: inactive".
    """
    groups: dict[tuple[str, str], HostGroup] = {}
    for line in trace or ():
        verdict, reason = str(line.get("verdict", "")), "; ".join(str(each) for each in line.get("reasons") or ())
        group = groups.setdefault((verdict, reason), HostGroup(verdict, reason))
        # Containers that were placed before traces were grouped have a line for each host.
        names = [str(name) for name in line.get("hosts") or [line.get("name", "")]]
        group.count += int(line.get("count", 1))
        group.names.extend(names[: MAX_NAMES - len(group.names)])
    order = {"chosen": 0, "possible": 1}
    return sorted(groups.values(), key=lambda group: (order.get(group.verdict, 2), -group.count))


@dataclass(frozen=True, slots=True)
class PlacementLine:
    """One container of a list: where it is and what decided it, or why no host takes it."""

    container: Container
    reasons: tuple[str, ...]


def placement_lines(rows: QuerySet[Container], shown: Sequence[Container]) -> list[PlacementLine]:
    """What decided about each container that a page shows: its own reasons where it has a host, else those against."""
    traces = dict(rows.filter(pk__in=[each.pk for each in shown]).values_list("pk", "placement"))
    found = []
    for each in shown:
        wanted = "refused" if each.host_id is None else "chosen"
        groups = [group for group in group_trace(traces.get(each.pk)) if group.verdict == wanted and group.reason]
        reasons = tuple(
            group.reason if wanted == "chosen" else f"{group.reason} ({', '.join(group.names[:MAX_LINE_NAMES])})"
            for group in groups[:MAX_LINE_GROUPS]
        )
        found += [PlacementLine(each, reasons)] if reasons else []
    return found
