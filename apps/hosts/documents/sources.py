"""Who makes the documents of hosts: the protocol that an app implements for one subject, and the register of them."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db import Error as DatabaseError

from apps.hosts.host_versions import VersionsInLoops

PAUSE = 0.5
log = logging.getLogger(__name__)


class DocumentSource:
    """Makes one subject's document for each host; agents know it by `name` (lower-case letters)."""

    name = ""
    pause = 0.0  # at least so many seconds between two looks at its versions

    def versions(self) -> Mapping[int, str]:
        """Of each host that is to have the document, a text that is another one whenever it might have changed.

        Read up to twice a second in each process that holds tunnels, for all hosts at once, in a constant number
        of queries.
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
    """Reads the versions of all documents of all hosts."""

    def __init__(self, sources: Mapping[str, DocumentSource]) -> None:
        self._sources = sources
        self._found: dict[str, Mapping[int, str]] = {}
        self._read_at: dict[str, float] = {}

    def read(self) -> Mapping[int, Mapping[str, str]]:
        """By host, and by document. A source that fails keeps no other from being read: its last versions stay."""
        versions = defaultdict[int, dict[str, str]](dict)
        for name, source in self._sources.items():
            for host, version in self._read_one(name, source).items():
                versions[host][name] = version
        return versions

    def _read_one(self, name: str, source: DocumentSource) -> Mapping[int, str]:
        if name in self._found and time.monotonic() - self._read_at[name] < source.pause:
            return self._found[name]
        try:
            self._found[name], self._read_at[name] = source.versions(), time.monotonic()
        except DatabaseError:
            raise
        except Exception:
            log.exception("versions of the documents %s", name)
        return self._found.get(name, {})


sources: dict[str, DocumentSource] = {}
versions = VersionsInLoops(DocumentVersions(sources).read, PAUSE)


def register(source: DocumentSource) -> None:
    """Add a subject; called once by each app's configuration."""
    sources[source.name] = source
