"""What happened on this host, kept while the portal is away: a ring of numbered lines in a few small files."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("corral_agent")

MAX_ENTRIES = 5000
_SEGMENT_SIZE = 1000
_LINE_LIMIT = 4096  # so that the whole journal stays below 25 MB
_VALUE_LIMIT = 256
_SEGMENT_GLOB = "[0-9]" * 16 + ".log"
_SYNC_LINES, _SYNC_SECONDS = 100, 5.0

Json = dict[str, Any]


class Journal:
    """Numbers only grow, over restarts too. A killed agent loses nothing, a power failure at most the last seconds.

    The numbers of lines lost to a power failure are never used again: unless the journal was closed cleanly, counting
    skips ahead of whatever may have been lost.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder / "journal"
        self._closed_marker = self._folder / "closed"
        self._clock = clock
        self._file = -1
        self._unsynced, self._synced_at = 0, clock()
        self._failed = False
        self._first, self.last = 1, 0
        self._open()

    def _open(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            segments = self._segments()
            numbers = [seq for path in segments for seq, _ in _read_entries(path)]
            closed_cleanly = self._closed_marker.exists() or not segments
            self._closed_marker.unlink(missing_ok=True)
        except OSError as error:
            self._report_failure(error)
            return
        self._first, self.last = (
            min(numbers, default=1),
            max(numbers, default=0) + (0 if closed_cleanly else _SYNC_LINES),
        )
        self._trim()

    @property
    def first(self) -> int:
        """The oldest number that can still be read."""
        return max(self._first, self.last - MAX_ENTRIES + 1)

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob(_SEGMENT_GLOB))

    def add(
        self,
        kind: str,
        action: str,
        key: str = "",
        *,
        attributes: Mapping[str, str] | None = None,
        at: float | None = None,
    ) -> None:
        """Write a line, `at` defaulting to now. A full disk costs the line, not the agent."""
        seq = self.last + 1
        entry = {"seq": seq, "at": self._clock() if at is None else at, "kind": kind, "action": action, "id": key}
        data = _encode_entry(entry, attributes or {})
        try:
            if self._file < 0 or seq % _SEGMENT_SIZE == 0:
                self._rotate(seq)
            self._write(data, seq)
            self._sync(force=kind == "agent")
        except OSError as error:
            self._report_failure(error)
        else:
            self._failed = False
        self.last = seq

    def _write(self, data: bytes, seq: int) -> None:
        """Write it whole; a torn line is left as the last of its file, where readers skip it."""
        if os.write(self._file, data) < len(data):
            self._rotate(seq + 1)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _rotate(self, seq: int) -> None:
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        self._file = os.open(self._folder / f"{seq:016}.log", flags, 0o600)
        self._trim()

    def _trim(self) -> None:
        """Delete the oldest files while the rest hold enough lines."""
        segments = self._segments()
        for path, following in itertools.pairwise(segments):
            if int(following.stem) > self.last - MAX_ENTRIES + 1:
                break
            path.unlink(missing_ok=True)
            self._first = int(following.stem)

    def _sync(self, *, force: bool) -> None:
        self._unsynced += 1
        now = self._clock()
        if force or self._unsynced >= _SYNC_LINES or abs(now - self._synced_at) >= _SYNC_SECONDS:
            os.fdatasync(self._file)
            self._unsynced, self._synced_at = 0, now

    def _report_failure(self, error: OSError) -> None:
        if not self._failed:
            log.warning("the journal cannot be written: %s", error.strerror or error)
        self._failed = True

    def after(self, seq: int, limit: int) -> list[Json]:
        """At most `limit` lines whose number is above `seq`, the oldest first."""
        found: list[Json] = []
        segments = self._segments()
        for path, following in itertools.zip_longest(segments, segments[1:]):
            if following is not None and int(following.stem) <= seq + 1:
                continue
            for number, entry in _read_entries(path):
                if max(seq, self.last - MAX_ENTRIES) < number:
                    found.append(entry)
                    if len(found) >= limit:
                        return found
        return found

    def close(self) -> None:
        """Flush everything to the disk, and mark the journal as closed cleanly."""
        if self._file < 0:
            return
        try:
            os.fsync(self._file)
            self._closed_marker.touch(mode=0o600)
        except OSError as error:
            self._report_failure(error)
        os.close(self._file)
        self._file = -1


def _read_entries(path: Path) -> Iterator[tuple[int, Json]]:
    """The complete lines of a file; what a crash cut off is skipped."""
    with path.open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
                yield int(entry["seq"]), entry
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue


def _encode_entry(entry: Json, attributes: Mapping[str, str]) -> bytes:
    """One line no longer than the limit: long values are cut, then attributes dropped, the least important first."""
    short = {str(key)[:_VALUE_LIMIT]: str(value)[:_VALUE_LIMIT] for key, value in attributes.items()}
    entry = entry | {"id": str(entry["id"])[:_VALUE_LIMIT], "attributes": short}
    while len(data := json.dumps(entry, separators=(",", ":")).encode()) >= _LINE_LIMIT and short:
        short.pop(max(short, key=lambda key: (key not in {"name", "image", "exitCode"}, len(key) + len(short[key]))))
    return data + b"\n"
