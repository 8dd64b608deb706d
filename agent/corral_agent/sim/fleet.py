"""Many simulated hosts in one process, each registered, with a key, a folder and a tunnel of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from corral_agent.host import Host
from corral_agent.options import Options
from corral_agent.sim.control import Control
from corral_agent.sim.engine import SimEngine
from corral_agent.state import Store

log = logging.getLogger("corral_agent")


@dataclass(frozen=True, slots=True)
class Member:
    """One simulated host."""

    host: Host
    engine: SimEngine


def members(options: Options) -> list[Member]:
    """As many as were asked for, called NAME-1, NAME-2 ...; an engine keeps its id over restarts."""
    return [_member(options, f"{options.name}-{number}") for number in range(1, options.simulate + 1)]


def _member(options: Options, name: str) -> Member:
    store = Store(options.state / name)
    key = store.state.engine_id or store.note(engine_id=f"SIM:{uuid.uuid4()}").engine_id
    engine = SimEngine(name, key)
    return Member(Host(options, engine, options.state / name, name), engine)


async def run(options: Options) -> None:
    """Until cancelled. Raises what ends a host."""
    fleet = members(options)
    log.info("%d simulated hosts begin", len(fleet))
    living = [asyncio.ensure_future(member.host.run()) for member in fleet]
    try:
        async with _controlled(options.control, fleet):
            await asyncio.gather(*living)
    finally:
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)


@contextlib.asynccontextmanager
async def _controlled(path: str, fleet: Sequence[Member]) -> AsyncIterator[None]:
    if not path:
        yield
        return
    async with Control([(member.host, member.engine) for member in fleet]).listening(path):
        yield
