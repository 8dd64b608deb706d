"""Everything that runs by the clock, one table: which job of `control.periodic`, and every how many seconds.

Not in it, because they hold something open or belong to one connection: the gateway's threads (event streams, and the
samples that the process holding a host's lease takes of it), agents' tunnels, the pings of WebSockets. Asking login
providers about their people is no job either: every account is reconciled, and `resync` queues those that are due.
So it is with scheduled services: a service asks to be reconciled at its next due time, and `resync` finds it then.
"""

from __future__ import annotations

from typing import Any

PERIODS: dict[str, float] = {
    "resync": 2,  # queue the rows that are due: what bounds how long a lost requeue is lost
    "judge-upgrades": 30,
    "follow-images": 30,  # a round asks registries for its share of an hour's questions
    "fail-overdue-operations": 10,
    "warn-if-open-mode": 60,
    "end-exchanged-keys": 60,
    "delete-expired-rows": 600,
    "delete-expired-statistics": 600,
    "delete-webhook-calls": 600,
    "release-lost-addresses": 300,
}

# A run that waited for a worker longer than this is dropped: the next one does the same.
_EXPIRES = 5

SCHEDULE: dict[str, dict[str, Any]] = {
    name: {"task": "control.periodic", "args": (name,), "schedule": period, "options": {"expires": period * _EXPIRES}}
    for name, period in PERIODS.items()
}
