"""One sample of a machine and of everything that runs on it, in as few calls as the engine allows."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apps.drivers import docker_stats
from apps.drivers.base import EngineError, EngineInfo, Measured, StatsSample, Stream
from apps.drivers.docker_stats import sample, total

THREADS = 4
ONE_SHOT = "stats?stream=0&one-shot=1"


def first(stream: Stream[StatsSample]) -> StatsSample | None:
    """The next sample of a stream, which is closed then."""
    try:
        return next(iter(stream), None)
    finally:
        stream.close()


def by_agent(found: Any) -> dict[str, StatsSample]:
    """An agent's answer about all containers; what lacks a counter is left out."""
    samples: dict[str, StatsSample] = {}
    for key, told in (found if isinstance(found, Mapping) else {}).items():
        with contextlib.suppress(*docker_stats.UNTOLD):
            samples[str(key)] = docker_stats.told(told)
    return samples


def one_by_one(ids: Iterable[str], ask: Callable[[str], bytes]) -> dict[str, StatsSample]:
    """Ask the engine about each container with a few threads; those that have just ended are left out.

    `ask` gets the container's id and returns the engine's answer.
    """
    keys = list(ids)
    if not keys:
        return {}
    with ThreadPoolExecutor(min(THREADS, len(keys)), thread_name_prefix="measure") as pool:
        found = zip(keys, pool.map(lambda key: _one(key, ask), keys), strict=True)
        return {key: each for key, each in found if each is not None}


def _one(key: str, ask: Callable[[str], bytes]) -> StatsSample | None:
    try:
        told = json.loads(ask(key))
    except (EngineError, ValueError):
        return None
    return sample(told) if isinstance(told, dict) else None


def together(samples: Mapping[str, StatsSample], info: EngineInfo) -> Measured:
    """A machine that nobody else counts is the sum of its containers."""
    machine = total(samples.values(), at=time.time(), cpus=info.cpus, memory_limit=info.memory)
    return Measured(machine, samples)
