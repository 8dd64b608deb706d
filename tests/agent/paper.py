"""A door in memory: what it is told, what it answers, and what comes through to the engine behind it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from corral_agent.door import replies
from corral_agent.door.flow import Sink, Source
from corral_agent.door.relay import Door
from tests.agent.bytes_and_sinks import Heard, Said

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@dataclass
class Paper:
    """One run: `engine` holds what each of the engine's connections got, `portal` what the portal heard."""

    engine: list[Heard] = field(default_factory=list)
    portal: Heard = field(default_factory=Heard)
    own: list[tuple[str, str]] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.portal.data.split()[1])


def at_the_door(
    pieces: list[bytes], *answers: bytes, read_only: bool = False, away: OSError | None = None, stays: bool = True
) -> Paper:
    """What a door makes of these bytes; the engine answers its connections in turn, the last answer again and again.

    Unless it `stays`, the portal has gone after the last byte.
    """
    found = Paper()
    left = list(answers or (OK,))

    async def engine() -> tuple[Source, Sink]:
        if away is not None:
            raise away
        found.engine.append(Heard())
        return Slow([left.pop(0) if len(left) > 1 else left[0]]), found.engine[-1]

    async def own(where: str, query: str, sink: Sink) -> None:
        found.own.append((where, query))
        await replies.send_json(sink, 200, {})

    async def main() -> None:
        door = Door(engine, own, read_only=read_only)
        serving = asyncio.ensure_future(door.serve(Patient(pieces, stays=stays), found.portal))
        await asyncio.wait_for(serving, 10)

    asyncio.run(main())
    return found


class Patient(Said):
    """A source that ends only when nothing else happens: as a portal that waits for its answers."""

    def __init__(self, pieces: list[bytes], *, stays: bool) -> None:
        super().__init__(pieces)
        self._stays = stays

    async def read(self, n: int = -1, /) -> bytes:
        if not self._pieces and self._stays:
            for _ in range(100):
                await asyncio.sleep(0)
        return await super().read(n)


class Slow(Said):
    """A source that lets others go first: as an engine that reads a request before it answers."""

    async def read(self, n: int = -1, /) -> bytes:
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().read(n)
