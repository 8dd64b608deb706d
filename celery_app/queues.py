"""The queues that every worker takes from, and which task goes to which."""

from __future__ import annotations

from kombu import Queue

from apps.control.shares import INSTALLATION_QUEUE, QUEUES

TASK_QUEUES = [Queue(name) for name in QUEUES]
"""One of the installation, and shares of environments (`apps.control.queue` names the one of each reconcile)."""

ROUTES: dict[str, dict[str, str]] = {
    "control.reconcile": {"queue": INSTALLATION_QUEUE},
    "control.periodic": {"queue": INSTALLATION_QUEUE},
}

# Round robin is what makes the shares fair: after a message its queue goes to the end of the line. No task has a
# priority, and each step of it would make the workers listen to all queues once more.
TRANSPORT_OPTIONS = {"queue_order_strategy": "round_robin", "priority_steps": [0]}
