"""Why a container is where it is, in a few lines: the host that was chosen, and the other hosts by reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_NAMES = 40


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
