"""What runs beside the web server in one process: workers, clock, engine search; each part starts and stops."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

logger = logging.getLogger(__name__)

Stop = Callable[[], None]
Start = Callable[[], Stop]

_STOP_TIMEOUT = 1.5


def _start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def start_worker() -> Stop:
    """Celery's worker on threads. Not `app.Worker`: that one installs signal handlers and takes over logging."""
    from celery.worker import WorkController, state

    from apps.control.in_flight import WORKERS
    from celery_app import app

    state.should_stop = None  # process-wide, and left set by an earlier stop
    worker = WorkController(
        app=app,
        pool="threads",
        concurrency=WORKERS,
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
    thread = _start_thread("worker", worker.start)

    def stop() -> None:
        state.should_stop = 0
        thread.join(_STOP_TIMEOUT)

    return stop


def start_beat() -> Stop:
    """The clock. Not `celery.beat.Service`: that one sleeps through a stop and keeps a file."""
    from celery.beat import Scheduler

    from celery_app import app

    stopping = threading.Event()

    def tick() -> None:
        clock = Scheduler(app=app)
        while not stopping.is_set():
            stopping.wait(clock.tick())
        clock.close()

    _start_thread("beat", tick)
    return stopping.set


def start_engine_search() -> Stop:
    """Look for a local engine, installing one where that is wanted, and add it as a host."""
    from portal.boot.startup import add_local_engine
    from portal.tools.engine import find_or_install_engine

    stopping = threading.Event()
    _start_thread("engine-search", lambda: find_or_install_engine(add_local_engine, stopping))
    return stopping.set


def start_gateway() -> Stop:
    """The engines' event streams."""
    from apps.hosts.watch import Gateway

    gateway = Gateway()
    gateway.start()
    return gateway.stop


def start_memory_trim() -> Stop:
    """What gives memory back after a burst."""
    from portal.boot.memory import start_trimming
    from portal.pooled_sqlite3.base import release_page_caches

    return start_trimming(release_page_caches)


def start_lag_watch() -> Stop:
    """What notices that this process is too busy."""
    from apps.control import load

    return load.start_lag_watch()


# In order of start; stopped in reverse.
PARTS: tuple[tuple[str, Start], ...] = (
    ("worker", start_worker),
    ("beat", start_beat),
    ("gateway", start_gateway),
    ("engine search", start_engine_search),
    ("memory", start_memory_trim),
    ("lag", start_lag_watch),
)


def start_parts(parts: tuple[tuple[str, Start], ...] = PARTS) -> ExitStack:
    """Start every part; closing the answered stack stops them, and one part's failure does not keep the next alive."""
    with ExitStack() as started:
        for name, start in parts:
            started.callback(_stop, name, start())
        return started.pop_all()


def _stop(name: str, stop: Stop) -> None:
    try:
        stop()
    except Exception:
        logger.exception("The part %r did not stop cleanly.", name)
