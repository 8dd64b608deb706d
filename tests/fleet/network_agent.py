"""An agent's managed network on a pretend host, given its documents by a test instead of a portal.

Run as `python network_agent.py FOLDER`: takes FOLDER/wanted.json (the network) and FOLDER/preflight.json whenever they
change, writes FOLDER/status.json.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from corral_agent.documents import DocumentRefused, HostDocuments
from corral_agent.engine import LocalEngine
from tests.fleet.commands import NoFleet, wait_for
from tests.fleet.host import Host
from tests.fleet.program import Program

ROOT = Path(__file__).resolve().parents[2]
_LOOK = 0.02
_FILES = {"network": "wanted.json", "preflight": "preflight.json"}


class NetworkAgent:
    """The program on one host, and its documents."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.folder = host.folder / "rancher" / "network-agent"
        self.folder.mkdir(exist_ok=True)
        self.program: Program | None = None
        self._version = 0

    def start(self) -> None:
        """Start it; what it was last given is kept by itself."""
        (self.folder / "status.json").unlink(missing_ok=True)
        command = (sys.executable, str(Path(__file__)), str(self.folder))
        self.program = self.host.spawn("network-agent", *command, PYTHONPATH=f"{ROOT / 'agent'}:{ROOT}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.program is not None and self.program.alive:
            self.program.end(number)

    def put(self, document: dict[str, Any]) -> None:
        """Give it a document."""
        self._version += 1
        write_whole(self.folder / "wanted.json", {**document, "version": self._version})

    def check(self, document: dict[str, Any]) -> None:
        """Give it a check of the hosts to take part in."""
        write_whole(self.folder / "preflight.json", {**document, "version": 1})

    def checked(self) -> dict[str, Any]:
        """What it reports of its check; empty before it has."""
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((self.folder / "status.json").read_text())["status"]["preflight"]
            return found
        return {}

    def status(self) -> dict[str, Any]:
        """What it reports; empty before it has."""
        with contextlib.suppress(FileNotFoundError):
            found = json.loads((self.folder / "status.json").read_text())
            status: dict[str, Any] = found["status"]["network"]
            if status.get("version", 0) >= self._version:
                return status
        return {}

    def wait_until(self, state: str = "active", *, seconds: float = 60) -> dict[str, Any]:
        """Its report once it says this state of the latest document."""

        def is_there() -> bool:
            return bool(self.status().get("state") == state)

        try:
            wait_for(is_there, f"{self.host.name} to be {state}", seconds=seconds)
        except NoFleet as error:
            log = self.program.log_tail(30) if self.program else ""
            raise AssertionError(f"{error}; it says {self.status()}; {log}") from None
        return self.status()


def write_whole(path: Path, content: object) -> None:
    """So that a reader never sees half of it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(path)


async def _serve(folder: Path) -> None:
    engine = LocalEngine("/var/run/docker.sock")
    documents = HostDocuments(folder, engine.document_handlers(folder))
    documents.start()
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    number, seen = -1, dict.fromkeys(_FILES, 0)
    while not ended.is_set():
        for subject, name in _FILES.items():
            wanted = folder / name
            with contextlib.suppress(FileNotFoundError):
                if (changed_at := wanted.stat().st_mtime_ns) != seen[subject]:
                    seen[subject] = changed_at
                    with contextlib.suppress(DocumentRefused):
                        documents.put(subject, json.loads(wanted.read_text()))
        if documents.number != number:
            number = documents.number
            write_whole(folder / "status.json", documents.report())
        await asyncio.sleep(_LOOK)
    await documents.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    os.umask(0o077)
    asyncio.run(_serve(Path(sys.argv[1])))
