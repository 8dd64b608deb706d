"""`manage.py gateway`: hold the engines' event streams, the role of the same name in a scaled-out installation."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.hosts.watch import Gateway


class Command(BaseCommand):
    """Runs until it is stopped."""

    help = "Follow the engines' events and requeue what they are about."

    def handle(self, *_: Any, **__: Any) -> None:
        """Start, wait for SIGTERM or SIGINT, release the hosts."""
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        gateway = Gateway()
        gateway.start()
        stopping.wait()
        gateway.stop()
