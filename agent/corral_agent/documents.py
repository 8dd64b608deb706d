"""What the portal has this host know: one document for each subject, kept on disk, so that the portal may be away.

A document is whole and idempotent: whatever came before is replaced by it. What was applied last is applied again when
the agent starts, before the portal is reached.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from corral_agent.private_file import write_private

log = logging.getLogger("corral_agent")


class DocumentRefused(Exception):
    """A document that cannot be applied; `str()` completes "The document is refused: ..."."""


class DocumentHandler(Protocol):
    """Applies the documents of one subject. All methods belong to the thread of the event loop."""

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to work; `changed` is to be called whenever `status()` would say something else than before."""

    def apply(self, document: Mapping[str, Any]) -> None:
        """Replace what was known. Quick: whatever takes long is done later, and shows in the status.

        Raises `DocumentRefused`; then everything stays as it was.
        """

    def status(self) -> dict[str, Any]:
        """What the portal is to know of it, as JSON."""

    async def close(self) -> None:
        """End. What containers depend on stays."""


class HostDocuments:
    """The documents of one host: takes them, keeps them, and passes them to their handlers."""

    def __init__(self, folder: Path, handlers: Mapping[str, DocumentHandler]) -> None:
        self._folder = folder / "documents"
        self._handlers = dict(handlers)
        self._versions: dict[str, int] = {}
        self._digests: dict[str, str] = {}
        self._changed = asyncio.Event()
        self.number = 0

    @property
    def names(self) -> list[str]:
        """Which documents are taken here."""
        return sorted(self._handlers)

    @property
    def digests(self) -> dict[str, str]:
        """Of each document applied here, so that a portal that comes back need not send what it finds here."""
        return dict(self._digests)

    def start(self) -> None:
        """Start every handler, and apply what was kept; a document that is damaged or refused waits for the portal."""
        for name, handler in self._handlers.items():
            handler.start(self._note_change)
            try:
                self._apply(name, json.loads((self._folder / f"{name}.json").read_text()))
            except FileNotFoundError:  # none was sent yet
                continue
            except (OSError, ValueError, DocumentRefused) as error:
                log.warning("the kept document %s is not used: %s", name, error)

    def put(self, name: str, document: object) -> int:
        """Apply a document and keep it; its version. Raises `KeyError` for an unknown name, and `DocumentRefused`."""
        handler_name = name if name in self._handlers else None
        if handler_name is None:
            raise KeyError(name)
        version = self._apply(handler_name, document)
        self._keep(handler_name, document)
        return version

    def _apply(self, name: str, document: object) -> int:
        if not isinstance(document, dict) or type(document.get("version")) is not int:
            raise DocumentRefused("it has no version")
        self._handlers[name].apply(document)
        self._versions[name] = version = document["version"]
        self._digests[name] = _digest_of(document)
        self._note_change()
        return int(version)

    def _keep(self, name: str, document: object) -> None:
        """Whole or not at all. Without a disk the agent goes on: the portal will send it again."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self._folder / f"{name}.json", json.dumps(document))
        except OSError as error:
            log.warning("the document %s cannot be kept: %s", name, error.strerror)

    def _note_change(self) -> None:
        self.number += 1
        self._changed.set()

    async def wait_for_change(self, after: int) -> None:
        """Return once something changed after number `after`."""
        while self.number <= after:
            self._changed.clear()
            await self._changed.wait()

    def report(self) -> dict[str, Any]:
        """The versions applied here, and what each handler says."""
        return {
            "versions": dict(self._versions),
            "status": {name: handler.status() for name, handler in self._handlers.items()},
        }

    async def close(self) -> None:
        """End all handlers; one that fails keeps no other from ending."""
        await asyncio.gather(*(handler.close() for handler in self._handlers.values()), return_exceptions=True)


def _digest_of(document: Mapping[str, Any]) -> str:
    """The SHA-256 of what the document says, as the portal computes it; its version is only the time of sending."""
    said = {key: value for key, value in document.items() if key != "version"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
