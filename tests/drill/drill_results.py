"""What each drill did and what came of it, for the table at the end."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class DrillResults:
    """Rows of (drill, act, outcome, seconds until everything was whole again)."""

    rows: list[tuple[str, str, str, float]] = field(default_factory=list)

    def add(self, drill: str, act: str, outcome: str, seconds: float) -> None:
        """Add a row."""
        self.rows.append((drill, act, outcome, seconds))

    def table(self) -> list[str]:
        """The rows as lines of text."""
        width = max((len(act) for _, act, _, _ in self.rows), default=0)
        return [f"{drill:3} {act:{width}}  {seconds:5.1f} s  {outcome}" for drill, act, outcome, seconds in self.rows]
