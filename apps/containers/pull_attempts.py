"""How often a pull was attempted, since when, and how the last attempt failed: stored in its `status`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from django.utils import timezone

from apps.containers.lifecycle import pull_retry_delay, rate_limit_delay
from apps.containers.models import Pull
from apps.containers.pull_failures import RATE_LIMIT, classify_pull_failure
from apps.core.result import ReconcileResult

_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class PullAttempts:
    """The failed attempts of one generation: their number, the first one's and the last one's time, the last reason.

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
        """The attempts that the row has stored for its present generation."""
        summary = row.status.get("tries") or {}
        return cls(**summary) if summary.get("generation") == row.generation else cls(row.generation)

    @property
    def status(self) -> dict[str, Any]:
        """The part of a `status` that stores them."""
        return {"tries": asdict(self)} if self.failed else {}

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the next attempt is due, 0 if it is due now, None when there is none."""
        if not self.failed:
            return 0.0
        return max(0.0, (_parse_time(self.due) - timezone.now()).total_seconds()) if self.due else None

    @property
    def due_at(self) -> datetime | None:
        """When the next attempt is due, None when there is none."""
        return _parse_time(self.due) if self.due else None

    @property
    def last_at(self) -> datetime | None:
        """When the last attempt failed, None when none did."""
        return _parse_time(self.last) if self.last else None

    @property
    def summary(self) -> str:
        """The number of attempts, when the next one is due, the last reason, the first and the last attempt's time.

        Lists cut off long texts, so what distinguishes it from a permanent failure comes first.
        """
        count = "once" if self.failed == 1 else f"{self.failed} times"
        head = (
            f"Try {self.failed} failed, next at {_parse_time(self.due):%H:%M:%S} UTC" if self.due else f"Tried {count}"
        )
        since = f"since {_parse_time(self.since):%Y-%m-%d %H:%M}, last " if self.failed > 1 else ""
        return f"{head}: {self.reason} ({since}at {_parse_time(self.last):{_TIME_FORMAT}} UTC)"

    def record_outcome(self, result: ReconcileResult, *, will_retry: bool, image: str = "") -> ReconcileResult:
        """The note on how one more attempt ended, for whoever watches; `will_retry` when there will be another."""
        if result.state == "pulled" and self.failed:
            return replace(result, is_retry=True, notes=(f"Done at try {self.failed + 1}.",))
        if not result.failed:
            return result
        now = self.with_failure(result.message, will_retry=will_retry, image=image)
        return replace(
            result,
            status=now.status,
            message=now.summary if will_retry or self.failed else now.reason,
            requeue_after=now.seconds_left,
            is_retry=self.failed > 0,
            notes=(f"Try {now.failed}: {now.reason}",) if will_retry and now.reason != self.reason else (),
        )

    def with_failure(self, reason: str, *, will_retry: bool, image: str = "") -> PullAttempts:
        """With one more attempt that failed just now."""
        now, failed = timezone.now(), self.failed + 1
        is_limited = classify_pull_failure(reason, image).kind == RATE_LIMIT
        delay = rate_limit_delay(failed) if is_limited else pull_retry_delay(failed)
        due = (now + timedelta(seconds=delay)).isoformat() if will_retry else ""
        return PullAttempts(self.generation, failed, self.since or now.isoformat(), now.isoformat(), reason, due)

    def given_up(self) -> ReconcileResult:
        """Nothing needs the image any more: the last reason stays."""
        over = replace(self, due="")
        text = f"{over.summary} Nothing waits for it any more."
        return ReconcileResult(state="error", message=text, status=over.status, failed=True, is_retry=True)


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
