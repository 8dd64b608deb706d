"""A simulated engine's events; like a real one it remembers the last 256."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_MAX_RECENT_EVENTS = 256  # eventsLimit of dockerd


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """One event; `at` is unix time in nanoseconds, `kind` is container, image, network, ..."""

    at: int
    kind: str
    action: str
    id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


EventListener = Callable[[SimulatedEvent], None]


class EventBus:
    """Hands every event to all subscribers; may be used from any thread."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._recent: deque[SimulatedEvent] = deque(maxlen=_MAX_RECENT_EVENTS)
        self._listeners: dict[object, EventListener] = {}

    def publish(self, kind: str, action: str, key: str, attributes: Mapping[str, str]) -> None:
        """Record an event and tell the subscribers, on the caller's thread."""
        event = SimulatedEvent(self._now(), kind, action, key, dict(attributes))
        with self._lock:
            self._recent.append(event)
            listeners = list(self._listeners.values())
        # Outside this lock, so that a listener may end its own subscription. Order is kept all the same, because
        # whoever changes an engine holds that engine's lock until the event is delivered.
        for listener in listeners:
            listener(event)

    def subscribe(self, listener: EventListener) -> tuple[list[SimulatedEvent], Callable[[], None]]:
        """What happened before, and what ends the subscription: no event is missed or given twice in between."""
        key = object()
        with self._lock:
            self._listeners[key] = listener
            return list(self._recent), lambda: self._unsubscribe(key)

    def _unsubscribe(self, key: object) -> None:
        with self._lock:
            self._listeners.pop(key, None)
