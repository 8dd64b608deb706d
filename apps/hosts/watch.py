"""Engine events turned into requeues: one thread per host, in whichever process leases the host's stream."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from django.db.models import Q
from django.utils import timezone

from apps.control.load import LoadLevel, load_level
from apps.control.queue import enqueue
from apps.core.read_budgets import EVENT_PAUSE_SECONDS, EventAllowance
from apps.drivers.base import EngineError, EngineEvent, Stream
from apps.hosts.health_checks.local_checks import LocalChecks
from apps.hosts.models import AGENT_SCHEME, Host
from apps.hosts.selectors import driver_of
from apps.hosts.stats.recorder import StatsRecorder
from apps.hosts.system_container.keeper import SystemContainers
from apps.hosts.tunnels import journal, leases
from apps.hosts.workloads import workloads

log = logging.getLogger(__name__)

LEASE_DURATION = timedelta(seconds=15)
ROUND_SECONDS = 2.0


class TimelineBuffer:
    """Events waiting to be written to one host's timeline, many at once: a burst must not write row by row."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._waiting: deque[EngineEvent] = deque(maxlen=journal.MAX_EVENTS)

    def add(self, event: EngineEvent) -> None:
        """Add an event; from any thread."""
        self._waiting.append(event)

    def write(self) -> None:
        """Write what was added since, unless the portal is behind: the newest wait, within limits, until it is not."""
        if load_level() >= LoadLevel.NO_HISTORY:
            return
        lines = []
        while self._waiting:
            event = self._waiting.popleft()
            try:
                line = journal.build_event(self._host, event.at, event.kind, event.action, event.id, event.attributes)
            except Exception as error:  # noqa: BLE001  # whatever an engine sends costs its own row at most
                log.info("event %s of host %s: %r", event.action, self._host.pk, error)
            else:
                lines.append(line)
        try:
            journal.write(self._host, lines)
        except DatabaseError:  # the host may have gone this moment
            log.info("%d events of host %s were not written down", len(lines), self._host.pk, exc_info=True)
        except Exception:  # the other hosts of the round are still to be written
            log.exception("%d events of host %s were not written down", len(lines), self._host.pk)


class _Watcher(threading.Thread):
    """Follows one engine's events until stopped; a stream that ends requeues the host."""

    def __init__(self, host: Host) -> None:
        super().__init__(name=f"watch-{host.pk}", daemon=True)
        self.host = host
        self.last_event_at = time.time()
        self.timeline = TimelineBuffer(host)
        self._allowance = EventAllowance()
        self._stop_requested = threading.Event()
        self._stream: Stream[EngineEvent] | None = None

    def run(self) -> None:
        pause = 0.5
        while not self._stop_requested.is_set():
            try:
                self._stream = driver_of(self.host).events(since=self.last_event_at)
                enqueue("host", self.host.pk)
                pause = 0.5 if self._follow(self._stream) else EVENT_PAUSE_SECONDS
                self._mark_seen()
            except EngineError as error:
                log.info("events of host %s: %s", self.host.pk, error)
            if not self._stop_requested.is_set():
                enqueue("host", self.host.pk)
            self._stop_requested.wait(pause)
            pause = min(5.0, pause * 2)

    def _mark_seen(self) -> None:
        """A stream that ends is the last sign of life: a host's silence counts from here."""
        if not self._stop_requested.is_set():
            Host.all_objects.filter(pk=self.host.pk).update(seen_at=timezone.now())
            close_old_connections()

    def _follow(self, stream: Stream[EngineEvent]) -> bool:
        """Pass on what comes until the stream ends; False when more comes than one host may send.

        What came too much is not made up for event by event: the host is requeued, and looked at as a whole.
        """
        for event in stream:
            if not self._allowance.take():
                log.warning("host %s sends too many events; it is looked at as a whole instead", self.host.pk)
                self.timeline.add(EngineEvent(time.time(), "gap", "lost", "", {"reason": "more events than are taken"}))
                self.last_event_at = time.time() + EVENT_PAUSE_SECONDS
                stream.close()
                return False
            self.last_event_at = max(self.last_event_at, event.at)
            workloads.on_engine_event(self.host.pk, event)
            self.timeline.add(event)
            if self._stop_requested.is_set():
                break
        return True

    def stop(self) -> None:
        self._stop_requested.set()
        if self._stream is not None:
            self._stream.close()


def release_all_streams() -> None:
    """Release every host's stream; only for a process that knows it is the only one."""
    leased = Host.all_objects.exclude(gateway="", tunnel_socket="")
    leased.update(gateway="", gateway_until=None, tunnel_socket="", tunnel_address="")


class Gateway:
    """Holds the event streams of the hosts that no living process holds, and releases them on `stop`."""

    def __init__(self) -> None:
        self.name = f"gw-{uuid.uuid4().hex[:12]}"
        self._watchers: dict[int, _Watcher] = {}
        self._stop_requested = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._recorder = StatsRecorder()
        self._checks = LocalChecks(self.name)
        self._system_containers = SystemContainers()

    def start(self) -> None:
        """Start in a thread of its own."""
        self._thread.start()
        self._recorder.start()
        self._checks.start()

    def stop(self) -> None:
        """Close every stream and release the leases."""
        self._stop_requested.set()
        self._recorder.stop()
        self._checks.stop()
        self._system_containers.stop()
        for watcher in self._watchers.values():
            watcher.stop()
            watcher.timeline.write()
        Host.all_objects.filter(gateway=self.name).update(gateway="", gateway_until=None)

    def _run(self) -> None:
        while not self._stop_requested.is_set():
            try:
                self.run_once()
            except Exception:  # the database may be away for a moment
                log.exception("gateway")
            finally:
                close_old_connections()
            self._stop_requested.wait(ROUND_SECONDS)

    def run_once(self) -> None:
        """Take or renew the leases of hosts and make the threads match; tunnels follow hosts with agents."""
        leases.release_expired()
        now = timezone.now()
        wanted = Host.all_objects.filter(removed=None).exclude(desired__in=("removed", "purged"))
        # The events of an engine that is not known to be the host's own would tell of another environment.
        wanted = wanted.exclude(url__startswith=AGENT_SCHEME).exclude(engine_id="").filter(fenced="")
        free = Q(gateway="") | Q(gateway=self.name) | Q(gateway_until__lt=now)
        wanted.filter(free).update(gateway=self.name, gateway_until=now + LEASE_DURATION)
        mine = {host.pk: host for host in wanted.filter(gateway=self.name)}
        self._system_containers.sync([key for key, host in mine.items() if host.system_container])
        for key in {*self._watchers, *mine}:
            try:
                self._sync_watcher(key, mine.get(key))
            except Exception:  # one host's trouble must not affect the others
                log.exception("gateway of host %s", key)

    def _sync_watcher(self, key: int, host: Host | None) -> None:
        """Write what one host's thread has received; start the thread when it is wanted, and stop it when it is not."""
        if watcher := self._watchers.get(key):
            watcher.timeline.write()
            if host is not None and watcher.is_alive() and watcher.host.url == host.url:
                return
            del self._watchers[key]
            watcher.stop()
        if host is not None:
            watcher = _Watcher(host)
            watcher.start()
            self._watchers[key] = watcher
