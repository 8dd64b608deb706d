"""Makes the documents of names: rendered once for each change of an environment, for all of its hosts."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from apps.hosts.documents.sources import DocumentSource
from apps.network.figures import take_server_state
from apps.stacks.names.reading import fingerprints, read_hosts, read_names
from apps.stacks.names.records import render_records
from apps.stacks.names.views import host_documents


class NamesSource(DocumentSource):
    """The document `names`: what an environment's services and containers are called, and what each one sees."""

    name = "names"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rendered: dict[int, str] = {}  # the environments' fingerprints
        self._documents: dict[int, dict[str, Any]] = {}
        self._versions: dict[int, str] = {}

    def versions(self) -> Mapping[int, str]:
        """The digest of each host's document: a change that concerns no name sends nothing."""
        with self._lock:
            hosts = read_hosts()
            found = fingerprints(hosts.keys()) if hosts else {}
            marks = {key: f"{found.get(key, '')} {mine.mark}" for key, mine in hosts.items()}
            changed = [key for key, mark in marks.items() if self._rendered.get(key) != mark]
            if changed:
                self._render({key: hosts[key].with_agents for key in changed})
            self._rendered = marks
            self._forget({host for mine in hosts.values() for host in mine.with_agents})
            return dict(self._versions)

    def on_status(self, host_id: int, status: Mapping[str, Any]) -> None:
        """Keep how the host's server is."""
        take_server_state(host_id, self.name, status)

    def build(self, host_id: int) -> dict[str, Any]:
        """The document as of the last look at the versions."""
        with self._lock:
            known = self._documents.get(host_id)
        if known is None:
            self.versions()
            with self._lock:
                known = self._documents.get(host_id)
        return known or {}

    def _render(self, hosts: Mapping[int, Sequence[int]]) -> None:
        for environment, names in read_names(hosts.keys()).items():
            records = render_records(names)
            shared = hashlib.sha256(json.dumps([records.addresses, records.hostnames]).encode())
            for host, document in host_documents(names, records, hosts[environment]).items():
                own = shared.copy()
                own.update(json.dumps([document["views"], document["hostNetwork"]]).encode())
                self._documents[host] = document
                self._versions[host] = own.hexdigest()

    def _forget(self, present: set[int]) -> None:
        for host in self._versions.keys() - present:
            del self._versions[host], self._documents[host]
