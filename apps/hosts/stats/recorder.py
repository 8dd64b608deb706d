"""The thread that takes the minute's statistics: in every gateway process, each host's by one of them."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections

from apps.control.load import is_behind
from apps.hosts.models import Host
from apps.hosts.stats.history import claim_due_hosts, record_sample

log = logging.getLogger(__name__)

TICK = 5.0
THREADS = 4


class StatsRecorder:
    """Takes the samples that are due, every few seconds until it is stopped."""

    def __init__(self) -> None:
        self._stop_requested = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Start in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop taking samples."""
        self._stop_requested.set()

    def _run(self) -> None:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="record") as pool:
            while not self._stop_requested.wait(TICK):
                try:
                    if not is_behind():
                        self.run_once(pool)
                except Exception:  # the database may be away for a moment
                    log.exception("statistics")
                finally:
                    close_old_connections()

    def run_once(self, pool: ThreadPoolExecutor) -> int:
        """Take what is due now; return how many samples were recorded."""
        return sum(pool.map(_record_or_log, claim_due_hosts()))


def _record_or_log(host: Host) -> int:
    try:
        return record_sample(host)
    except Exception:  # one host must not cost the others their minute
        log.exception("statistics of host %s", host.pk)
        return 0
    finally:
        close_old_connections()
