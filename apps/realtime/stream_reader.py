"""A thread that reads a blocking engine stream for one socket and ends with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import connections

from apps.core.errors import Problem
from apps.drivers.base import EngineError, Stream

log = logging.getLogger(__name__)

T = TypeVar("T")


class EngineStreamReader(Generic[T]):
    """Opens a stream and passes every item to `on_item`, which may block to slow reading down.

    `on_end` is called once, from the thread, with the reason of a failure, or empty at the end of the stream; not
    after `close`.
    """

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], Stream[T]],
        on_item: Callable[[T], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._open_stream, self._on_item, self._on_end = open_stream, on_item, on_end
        self._stream: Stream[T] | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def close(self) -> None:
        """Close the stream, in a thread because a slow engine can block the call."""
        with self._lock:
            self._closed = True
            stream = self._stream
        if stream is not None:
            threading.Thread(target=stream.close, name=f"{self._thread.name}-close", daemon=True).start()

    def _run(self) -> None:
        reason = ""
        try:
            self._read()
        except (EngineError, Problem) as error:
            reason = str(error)
        except Exception as error:  # whatever it was, the viewer must be told
            reason = f"The stream broke ({type(error).__name__})."
            if not self._closed:
                log.exception(threading.current_thread().name)
        finally:
            if self._stream is not None:
                self._stream.close()
            connections.close_all()
        if not self._closed:
            self._on_end(reason)

    def _read(self) -> None:
        if self._closed:
            return
        stream = self._open_stream()
        with self._lock:
            self._stream = stream
        # `close` may have come while the stream was being opened, and found nothing to close.
        if self._closed:
            return
        for item in stream:
            if self._closed:
                return
            self._on_item(item)
