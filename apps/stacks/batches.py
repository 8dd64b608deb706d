"""The limits of whatever is done to a service's containers in batches."""

from __future__ import annotations

from apps.core.errors import Invalid

MAX_BATCH, MIN_INTERVAL, MAX_INTERVAL = 1000, 100, 24 * 60 * 60 * 1000
MAX_READY = 3600  # no longer than containers note how long they have run


def check_batches(batch_size: int, interval_ms: int, min_ready: int | None = None) -> None:
    """Check how many containers at a time, how long between two batches, and how long one runs before it counts.

    Raises `Invalid`.
    """
    for field, value, low, high in (
        ("batchSize", batch_size, 1, MAX_BATCH),
        ("intervalMillis", interval_ms, MIN_INTERVAL, MAX_INTERVAL),
        ("minReadySeconds", 0 if min_ready is None else min_ready, 0, MAX_READY),
    ):
        if isinstance(value, bool) or not isinstance(value, int):
            raise Invalid(field, "InvalidFormat", f"{field} is a whole number.")
        if value < low:
            raise Invalid(field, "MinLimitExceeded", f"{field} is at least {low}.")
        if value > high:
            raise Invalid(field, "MaxLimitExceeded", f"{field} is at most {high}.")
