"""The C library's memory: fewer arenas, and what a burst has freed goes back to the machine."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path

# mallopt's numbers (malloc.h of glibc).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# glibc gives each of many threads an arena of its own, up to eight per processor, and never empties one for another.
MAX_ARENAS = 2
# Fixed: left to itself the threshold rises to the largest block ever freed, and large blocks are then kept.
LARGE_BLOCK = 128 * 1024
TRIM_SECONDS = 20.0
GROWTH = 4 * 1024 * 1024
"""Trimming walks every arena: it is done only after the process has grown by so much."""


def limit_arenas() -> bool:
    """Set the limits, before the threads start; False where the C library is another."""
    mallopt = getattr(_c_library(), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_ARENA_MAX, MAX_ARENAS), (_M_MMAP_THRESHOLD, LARGE_BLOCK), (_M_TRIM_THRESHOLD, LARGE_BLOCK))
    return all(mallopt(name, value) == 1 for name, value in settings)


def start_trimming() -> Callable[[], None]:
    """Return freed memory to the machine from time to time, in a thread; answers what stops it."""
    trim = getattr(_c_library(), "malloc_trim", None)
    stopping = threading.Event()
    if trim is not None:
        threading.Thread(target=_trim_after_growth, args=(trim, stopping), name="memory", daemon=True).start()
    return stopping.set


def _trim_after_growth(trim: Callable[[int], int], stopping: threading.Event) -> None:
    after_last = 0
    while not stopping.wait(TRIM_SECONDS):
        if resident_bytes() > after_last + GROWTH:
            trim(0)
            after_last = resident_bytes()


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """How much memory this process holds; 0 where the kernel does not tell."""
    try:
        return int(statm.read_text().split()[1]) * 4096
    except OSError:
        return 0


def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
