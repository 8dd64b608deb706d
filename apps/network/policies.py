"""Who may reach whom in a managed network: the policies there are, and the part of the document that says so.

Groups of containers come from links and stacks, which higher apps know: one of them registers a `PolicySource`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Mapping
from typing import Any

ALL, LINKED, STACK = "all", "linked", "stack"
MODES = (ALL, LINKED, STACK)
OPEN: Mapping[str, Any] = {"mode": ALL}

PolicyPart = Mapping[str, Any]


class PolicySource:
    """Knows who belongs together, and makes of it what agents read as `policy`."""

    def fingerprints(self, environments: Collection[int]) -> Mapping[int, str]:
        """Of each environment a text that is another one whenever its groups might be others, addresses apart."""
        raise NotImplementedError

    def policies(self, modes: Mapping[int, str]) -> Mapping[int, PolicyPart]:
        """The policy of each environment under its mode, in a constant number of queries for all of them."""
        raise NotImplementedError


class Policies:
    """The policies of all environments that restrict anything, made once for each change, for all of their hosts."""

    def __init__(self) -> None:
        self._source: PolicySource | None = None
        self._lock = threading.Lock()
        self._marks: dict[int, str] = {}
        self._parts: dict[int, PolicyPart] = {}
        self._digests: dict[int, str] = {}

    def register(self, source: PolicySource) -> None:
        """Have groups come from this source; called once by its app's configuration."""
        self._source = source

    def digests(self, modes: Mapping[int, str], revisions: Mapping[int, int]) -> dict[int, str]:
        """Of each environment with such a mode a text that is another one when its policy is another."""
        with self._lock:
            found = self._registered.fingerprints(modes.keys()) if modes else {}
            marks = {key: f"{mode} {revisions[key]} {found.get(key, '')}" for key, mode in modes.items()}
            changed = {key: modes[key] for key, mark in marks.items() if self._marks.get(key) != mark}
            for key, part in (self._registered.policies(changed) if changed else {}).items():
                self._parts[key] = part
                self._digests[key] = hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
            self._marks = marks
            for gone in self._parts.keys() - marks.keys():
                del self._parts[gone], self._digests[gone]
            return dict(self._digests)

    def of(self, environment_id: int, mode: str) -> PolicyPart:
        """The policy as of the last look at the digests; made now where there was none."""
        if mode == ALL:
            return OPEN
        with self._lock:
            known = self._parts.get(environment_id)
        if known is None or known["mode"] != mode:
            known = self._registered.policies({environment_id: mode})[environment_id]
        return known

    @property
    def _registered(self) -> PolicySource:
        if self._source is None:
            raise RuntimeError("no app has registered a PolicySource")
        return self._source


policies = Policies()
