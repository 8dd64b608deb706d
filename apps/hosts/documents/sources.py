"""Who makes the documents of hosts: the protocol that an app implements for one subject, and the register of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

MAX_AGE = 0.5


class DocumentSource:
    """Makes one subject's document for each host; agents know it by `name` (lower-case letters)."""

    name = ""

    def versions(self) -> Mapping[int, str]:
        """Of each host that is to have the document, a text that is another one whenever it might have changed.

        Read twice a second in each process that holds tunnels, for all hosts at once: a constant number of queries.
        """
        raise NotImplementedError

    def build(self, host_id: int) -> dict[str, Any]:
        """The whole document for one host, as the agent's handler reads it, without its `version`."""
        raise NotImplementedError

    def on_status(self, host_id: int, status: Mapping[str, Any]) -> None:
        """Take note of what the host's handler reports. It is not trusted to be well made."""

    def on_unsupported(self, host_id: int, reason: str) -> None:
        """Take note that the host's agent does not take this document, and why."""


class DocumentVersions:
    """The versions of all documents of all hosts, as of at most half a second ago."""

    def __init__(self, sources: dict[str, DocumentSource]) -> None:
        self._sources = sources
        self._found: Mapping[str, Mapping[int, str]] = {}
        self._read_at = 0.0
        self._lock = threading.Lock()

    @property
    def is_stale(self) -> bool:
        """Whether they have to be read again."""
        return time.monotonic() - self._read_at > MAX_AGE

    def refresh(self) -> None:
        """Read them, unless another thread is doing so or just has."""
        if self._lock.acquire(blocking=False):
            try:
                if self.is_stale:
                    self._found = {name: source.versions() for name, source in self._sources.items()}
                    self._read_at = time.monotonic()
            finally:
                self._lock.release()

    def of(self, name: str, host_id: int) -> str | None:
        """The version of one host's document; None when it is not to have it."""
        return self._found.get(name, {}).get(host_id)


sources: dict[str, DocumentSource] = {}
versions = DocumentVersions(sources)


def register(source: DocumentSource) -> None:
    """Add a subject; called once by each app's configuration."""
    sources[source.name] = source
