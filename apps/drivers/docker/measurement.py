"""One sample of a machine and of everything that runs on it, in as few calls as the engine allows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apps.core import read_budgets
from apps.drivers.base import (
    EngineError,
    EngineInfo,
    Measurement,
    StatsSample,
    Stream,
)
from apps.drivers.docker import container_stats
from apps.drivers.docker.container_stats import parse_stats, sum_samples
from apps.drivers.docker.safe_json import parse_json

MAX_THREADS = 4
ONE_SHOT = "stats?stream=0&one-shot=1"


def first_sample(stream: Stream[StatsSample]) -> StatsSample | None:
    """The next sample of a stream, which is closed then."""
    try:
        return next(iter(stream), None)
    finally:
        stream.close()


def parse_agent_stats(found: Any) -> dict[str, StatsSample]:
    """An agent's answer about all containers; what lacks a counter is left out."""
    samples: dict[str, StatsSample] = {}
    for key, sample in (found if isinstance(found, Mapping) else {}).items():
        with contextlib.suppress(*container_stats.INVALID_SAMPLE_ERRORS):
            samples[str(key)] = container_stats.parse_agent_sample(sample)
    return samples


def measure_each(ids: Iterable[str], fetch: Callable[[str], bytes]) -> dict[str, StatsSample]:
    """Ask the engine about each container with a few threads; those that have just ended are left out.

    `fetch` gets the container's id and returns the engine's answer. Containers for which no time is left are left out.
    """
    keys = list(ids)
    if not keys:
        return {}
    until = time.monotonic() + read_budgets.MAX_MEASURED_SECONDS
    with ThreadPoolExecutor(min(MAX_THREADS, len(keys)), thread_name_prefix="measure") as pool:
        found = zip(keys, pool.map(lambda key: _measure_one(key, fetch, until), keys), strict=True)
        return {key: each for key, each in found if each is not None}


def _measure_one(key: str, fetch: Callable[[str], bytes], until: float) -> StatsSample | None:
    if time.monotonic() >= until:
        return None
    try:
        stats = parse_json(fetch(key))
        return parse_stats(stats) if isinstance(stats, dict) else None
    except (EngineError, *container_stats.INVALID_SAMPLE_ERRORS):
        return None


def sum_measurement(samples: Mapping[str, StatsSample], info: EngineInfo) -> Measurement:
    """A machine without counters of its own is the sum of its containers."""
    machine = sum_samples(samples.values(), at=time.time(), cpus=info.cpus, memory_limit=info.memory)
    return Measurement(machine, samples)
