"""How often a pull was tried, since when, and what came of it the last time: kept in its `status`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from django.utils import timezone

from apps.containers.lifecycle import pull_pause
from apps.containers.models import Pull
from apps.core.result import Result

_SECOND = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Tries:
    """The failed tries of one wish: their number, the first one's and the last one's time, the last reason.

    `due` is when the next one is to be, empty when none is. Times are ISO texts.
    """

    wish: int
    failed: int = 0
    since: str = ""
    last: str = ""
    why: str = ""
    due: str = ""

    @classmethod
    def of(cls, row: Pull) -> Self:
        """What the row remembers of its present wish."""
        told = row.status.get("tries") or {}
        return cls(**told) if told.get("wish") == row.generation else cls(row.generation)

    @property
    def status(self) -> dict[str, Any]:
        """The part of a `status` that remembers it."""
        return {"tries": asdict(self)} if self.failed else {}

    @property
    def left(self) -> float | None:
        """Seconds until the next try is due, 0 if it is now, None when there is to be none."""
        if not self.failed:
            return 0.0
        return max(0.0, (_time(self.due) - timezone.now()).total_seconds()) if self.due else None

    @property
    def told(self) -> str:
        """How often it was tried and when it is next, the last reason, the first and the last try's time.

        Lists cut long texts off, so that what tells it from a failure for good stands first.
        """
        often = "once" if self.failed == 1 else f"{self.failed} times"
        head = f"Try {self.failed} failed, next at {_time(self.due):%H:%M:%S} UTC" if self.due else f"Tried {often}"
        since = f"since {_time(self.since):%Y-%m-%d %H:%M}, last " if self.failed > 1 else ""
        return f"{head}: {self.why} ({since}at {_time(self.last):{_SECOND}} UTC)"

    @property
    def seen(self) -> str:
        """The last failure in words that stay true, whatever comes of it: they end operations of those that wait.

        Nothing where none was counted.
        """
        return f"{self.why} (try {self.failed} failed at {_time(self.last):{_SECOND}} UTC)" if self.failed else ""

    def counting(self, result: Result, *, going_on: bool) -> Result:
        """How one more try ended, told to whoever watches; `going_on` when a failure is not to be the last."""
        if result.state == "pulled" and self.failed:
            return replace(result, retried=True, notes=(f"Done at try {self.failed + 1}.",))
        if not result.failed:
            return result
        now = self.and_one(result.message, going_on=going_on)
        return replace(
            result,
            status=now.status,
            message=now.told if going_on or self.failed else now.why,
            again_in=now.left,
            retried=self.failed > 0,
            notes=(f"Try {now.failed}: {now.why}",) if going_on and now.why != self.why else (),
        )

    def and_one(self, why: str, *, going_on: bool) -> Tries:
        """With a try that failed just now."""
        now, failed = timezone.now(), self.failed + 1
        due = (now + timedelta(seconds=pull_pause(failed))).isoformat() if going_on else ""
        return Tries(self.wish, failed, self.since or now.isoformat(), now.isoformat(), why, due)

    def given_up(self) -> Result:
        """Nothing needs it any more: the last reason stays."""
        over = replace(self, due="")
        text = f"{over.told} Nothing waits for it any more."
        return Result(state="error", message=text, status=over.status, failed=True, retried=True)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
