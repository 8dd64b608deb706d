"""The C library's memory: fewer arenas, and what a burst has freed goes back to the machine."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# mallopt's numbers (malloc.h of glibc).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# glibc gives each of many threads an arena of its own, up to eight per processor, and never empties one for another.
MAX_ARENAS = 2
# Fixed: left to itself the threshold rises to the largest block ever freed, and large blocks are then kept.
LARGE_BLOCK = 128 * 1024
TRIM_SECONDS = 20.0
GROWTH = 4 * 1024 * 1024
"""Trimming walks every arena: it is done only after the process has grown by so much, or has freed much."""
FREED_BLOCKS = 20_000
"""So many of Python's blocks (some 2 MB): what is freed inside of arenas shows in no figure of the kernel's."""


@dataclass(frozen=True, slots=True)
class _Footprint:
    """What the process holds, and how many blocks of it Python uses."""

    resident: int
    blocks: int

    @classmethod
    def now(cls) -> _Footprint:
        return cls(resident_bytes(), sys.getallocatedblocks())

    def grew_since(self, before: _Footprint) -> bool:
        """Whether it holds so much more that a trim may find something."""
        return self.resident > before.resident + GROWTH

    def freed_since(self, before: _Footprint) -> bool:
        """Whether a burst is over."""
        return self.blocks < before.blocks - FREED_BLOCKS


def limit_arenas() -> bool:
    """Set the limits, before the threads start; False where the C library is another."""
    mallopt = getattr(_c_library(), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_ARENA_MAX, MAX_ARENAS), (_M_MMAP_THRESHOLD, LARGE_BLOCK), (_M_TRIM_THRESHOLD, LARGE_BLOCK))
    return all(mallopt(name, value) == 1 for name, value in settings)


def start_trimming(release_caches: Callable[[], None]) -> Callable[[], None]:
    """Return freed memory, and that of caches, from time to time, in a thread; answers what stops it."""
    trim = getattr(_c_library(), "malloc_trim", None)
    stopping = threading.Event()
    if trim is not None:
        threading.Thread(target=_give_back, args=(trim, release_caches, stopping), name="memory", daemon=True).start()
    return stopping.set


def _give_back(trim: Callable[[int], int], release_caches: Callable[[], None], stopping: threading.Event) -> None:
    last = _Footprint(0, 0)
    while not stopping.wait(TRIM_SECONDS):
        now = _Footprint.now()
        if now.freed_since(last):
            # Ended connections are circles of objects: after 260 hosts left, 28,000 objects waited for the collector.
            # Not during growth: a collection stops every thread.
            gc.collect()
            release_caches()
        elif not now.grew_since(last):
            continue
        trim(0)
        last = _Footprint.now()


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """How much memory this process holds; 0 where the kernel does not tell."""
    try:
        return int(statm.read_text().split()[1]) * 4096
    except OSError:
        return 0


def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
