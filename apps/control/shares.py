"""Which queue an environment's reconciles wait in, so that one that asks for a thousand holds up no other. Pure.

Workers take from all queues in turn: whoever waits in another queue than the flood is served next.
"""

from __future__ import annotations

INSTALLATION_QUEUE = "celery"
"""Of rows that belong to no environment (accounts, keys), and of the jobs of the clock."""
ENVIRONMENT_QUEUES = 32
"""Few enough that a worker can listen to all of them; two environments in one queue wait for each other, as all did."""
QUEUES = (INSTALLATION_QUEUE, *(f"reconcile-{number}" for number in range(ENVIRONMENT_QUEUES)))


def queue_of(environment: int | None) -> str:
    """The queue of this environment, or of the installation (None)."""
    return INSTALLATION_QUEUE if environment is None else f"reconcile-{environment % ENVIRONMENT_QUEUES}"
