"""How often a pull was tried, since when, and what came of it the last time: kept in its `status`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from django.utils import timezone

from apps.containers.lifecycle import pull_pause
from apps.containers.models import Pull
from apps.core.result import Result


@dataclass(frozen=True, slots=True)
class Tries:
    """The failed tries of one wish: their number, the first one's and the last one's time (ISO), the last reason."""

    wish: int
    failed: int = 0
    since: str = ""
    last: str = ""
    why: str = ""

    @classmethod
    def of(cls, row: Pull) -> Self:
        """What the row remembers of its present wish."""
        told = row.status.get("tries") or {}
        return cls(**told) if told.get("wish") == row.generation else cls(row.generation)

    @property
    def status(self) -> dict[str, Any]:
        """The part of a `status` that remembers it."""
        return {"tries": asdict(self)} if self.failed else {}

    def counting(self, result: Result, *, going_on: bool) -> Result:
        """How one more try ended, told to whoever watches; `going_on` when a failure is not to be the last."""
        if result.state == "pulled" and self.failed:
            return replace(result, retried=True, notes=(f"Done at try {self.failed + 1}.",))
        if not result.failed:
            return result
        now = self.and_one(result.message)
        is_news = going_on and now.why != self.why
        return replace(
            result,
            status=now.status,
            message=now.told(going_on=going_on) if going_on or self.failed else now.why,
            again_in=pull_pause(now.failed) if going_on else None,
            retried=self.failed > 0,
            notes=(f"Try {now.failed}: {now.why}",) if is_news else (),
        )

    def given_up(self) -> Result:
        """Nothing needs it any more: the last reason stays."""
        text = f"{self.told(going_on=False)} Nothing waits for it any more."
        return Result(state="error", message=text, status=self.status, failed=True, retried=True)

    def and_one(self, why: str) -> Tries:
        """With a try that failed just now."""
        now = timezone.now().isoformat()
        return Tries(self.wish, self.failed + 1, self.since or now, now, why)

    def told(self, *, going_on: bool) -> str:
        """How often it was tried and when it is next, the last reason, the first and the last try's time.

        Lists cut long texts off, so that what tells it from a failure for good stands first.
        """
        first, last = datetime.fromisoformat(self.since), datetime.fromisoformat(self.last)
        due = last + timedelta(seconds=pull_pause(self.failed))
        often = "once" if self.failed == 1 else f"{self.failed} times"
        head = f"Try {self.failed} failed, next at {due:%H:%M:%S} UTC" if going_on else f"Tried {often}"
        since = f"since {first:%Y-%m-%d %H:%M}, last " if self.failed > 1 else ""
        return f"{head}: {self.why} ({since}at {last:%Y-%m-%d %H:%M:%S} UTC)"
