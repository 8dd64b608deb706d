"""How an upgrade goes on: batches, pauses, the order of old and new, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.stacks.batches import check_batches
from apps.stacks.models import Service


@dataclass(frozen=True, slots=True)
class UpgradeStrategy:
    """How many containers at a time, how long between two batches, and whether new ones start before old ones stop.

    A new one counts once it has run for `min_ready` seconds, or its health check has passed; None is the installation's
    default. `verdict` says how the upgrade is judged (`parse_verdict`): None as the service's upgrades are. With
    `keeps_verdict` the service's later upgrades are judged alike.
    """

    batch_size: int = 1
    interval_ms: int = 2000
    start_first: bool = False
    verdict: Mapping[str, Any] | None = None
    keeps_verdict: bool = False
    min_ready: int | None = None

    def __post_init__(self) -> None:
        """Check the limits. Raises `Invalid`."""
        check_batches(self.batch_size, self.interval_ms, self.min_ready)

    def to_json(self) -> dict[str, Any]:
        """What a service keeps of it."""
        return {
            "batchSize": self.batch_size,
            "intervalMillis": self.interval_ms,
            "startFirst": self.start_first,
            **({} if self.min_ready is None else {"minReadySeconds": self.min_ready}),
        }


def last_strategy(row: Service, *, verdict: Mapping[str, Any] | None = None) -> UpgradeStrategy:
    """How the service was upgraded last, for an upgrade that nobody says it of; judged as `verdict` says."""
    kept = row.upgrade or {}
    return UpgradeStrategy(
        kept.get("batchSize", 1),
        kept.get("intervalMillis", 2000),
        bool(kept.get("startFirst", False)),
        verdict=verdict,
        min_ready=kept.get("minReadySeconds"),
    )
