"""How often a pull was tried, since when, and what came of it the last time: kept in its `status`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from django.utils import timezone

from apps.containers.lifecycle import pull_retry_delay
from apps.containers.models import Pull
from apps.core.result import ReconcileResult

_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class PullAttempts:
    """The failed tries of one wish: their number, the first one's and the last one's time, the last reason.

    `due` is when the next one is to be, empty when none is. Times are ISO texts.
    """

    generation: int
    failed: int = 0
    since: str = ""
    last: str = ""
    reason: str = ""
    due: str = ""

    @classmethod
    def from_pull(cls, row: Pull) -> Self:
        """What the row remembers of its present wish."""
        summary = row.status.get("tries") or {}
        return cls(**summary) if summary.get("generation") == row.generation else cls(row.generation)

    @property
    def status(self) -> dict[str, Any]:
        """The part of a `status` that remembers it."""
        return {"tries": asdict(self)} if self.failed else {}

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the next try is due, 0 if it is now, None when there is to be none."""
        if not self.failed:
            return 0.0
        return max(0.0, (_parse_time(self.due) - timezone.now()).total_seconds()) if self.due else None

    @property
    def summary(self) -> str:
        """How often it was tried and when it is next, the last reason, the first and the last try's time.

        Lists cut long texts off, so that what tells it from a failure for good stands first.
        """
        count = "once" if self.failed == 1 else f"{self.failed} times"
        head = (
            f"Try {self.failed} failed, next at {_parse_time(self.due):%H:%M:%S} UTC" if self.due else f"Tried {count}"
        )
        since = f"since {_parse_time(self.since):%Y-%m-%d %H:%M}, last " if self.failed > 1 else ""
        return f"{head}: {self.reason} ({since}at {_parse_time(self.last):{_TIME_FORMAT}} UTC)"

    @property
    def seen(self) -> str:
        """The last failure in words that stay true, whatever comes of it: they end operations of those that wait.

        Nothing where none was counted.
        """
        return (
            f"{self.reason} (try {self.failed} failed at {_parse_time(self.last):{_TIME_FORMAT}} UTC)"
            if self.failed
            else ""
        )

    def record_outcome(self, result: ReconcileResult, *, will_retry: bool) -> ReconcileResult:
        """How one more try ended, told to whoever watches; `will_retry` when a failure is not to be the last."""
        if result.state == "pulled" and self.failed:
            return replace(result, is_retry=True, notes=(f"Done at try {self.failed + 1}.",))
        if not result.failed:
            return result
        now = self.with_failure(result.message, will_retry=will_retry)
        return replace(
            result,
            status=now.status,
            message=now.summary if will_retry or self.failed else now.reason,
            requeue_after=now.seconds_left,
            is_retry=self.failed > 0,
            notes=(f"Try {now.failed}: {now.reason}",) if will_retry and now.reason != self.reason else (),
        )

    def with_failure(self, reason: str, *, will_retry: bool) -> PullAttempts:
        """With a try that failed just now."""
        now, failed = timezone.now(), self.failed + 1
        due = (now + timedelta(seconds=pull_retry_delay(failed))).isoformat() if will_retry else ""
        return PullAttempts(self.generation, failed, self.since or now.isoformat(), now.isoformat(), reason, due)

    def given_up(self) -> ReconcileResult:
        """Nothing needs it any more: the last reason stays."""
        over = replace(self, due="")
        text = f"{over.summary} Nothing waits for it any more."
        return ReconcileResult(state="error", message=text, status=over.status, failed=True, is_retry=True)


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
