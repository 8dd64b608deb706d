"""Many simulated hosts in one process, each registered, with a key, a folder and a tunnel of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from corral_agent.host_agent import HostAgent
from corral_agent.options import Options
from corral_agent.simulated.control import ControlServer
from corral_agent.simulated.engine import SimulatedEngine
from corral_agent.state import Store

log = logging.getLogger("corral_agent")


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """One simulated host."""

    host: HostAgent
    engine: SimulatedEngine


def create_hosts(options: Options) -> list[SimulatedHost]:
    """As many as `options` says, named NAME-1, NAME-2 ...; an engine keeps its id over restarts."""
    return [_create_host(options, f"{options.name}-{number}") for number in range(1, options.simulate + 1)]


def _create_host(options: Options, name: str) -> SimulatedHost:
    store = Store(options.state / name)
    key = store.state.engine_id or store.update(engine_id=f"SIM:{uuid.uuid4()}").engine_id
    engine = SimulatedEngine(name, key)
    return SimulatedHost(HostAgent(options, engine, options.state / name, name), engine)


async def run(options: Options) -> None:
    """Run them until cancelled. Raises what ends the first of them."""
    fleet = create_hosts(options)
    log.info("starting %d simulated hosts", len(fleet))
    running = [asyncio.ensure_future(member.host.run()) for member in fleet]
    try:
        async with _control_server(options.control, fleet):
            await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@contextlib.asynccontextmanager
async def _control_server(path: str, fleet: Sequence[SimulatedHost]) -> AsyncIterator[None]:
    if not path:
        yield
        return
    async with ControlServer([(member.host, member.engine) for member in fleet]).listen(path):
        yield
