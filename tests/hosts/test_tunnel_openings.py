"""After a restart all agents connect at once: a few tunnels are opened at a time, and none holds up the others."""

from __future__ import annotations

import asyncio

import pytest

from apps.hosts.tunnels import tunnel


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_few_are_opened_at_a_time() -> None:
    async def main() -> None:
        loop, inside, most = asyncio.get_running_loop(), 0, 0

        async def one() -> None:
            nonlocal inside, most
            async with tunnel._opening(loop):
                inside += 1
                most = max(most, inside)
                await _settle()
                inside -= 1

        await asyncio.gather(*(one() for _ in range(50)))
        assert most == tunnel.MAX_CONCURRENT_OPENINGS

    asyncio.run(main())


def test_one_that_takes_long_gives_its_turn_away_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "LONGEST_OPENING", 0.01)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stuck = [asyncio.ensure_future(_stay(loop)) for _ in range(tunnel.MAX_CONCURRENT_OPENINGS)]
        await asyncio.sleep(0)
        async with asyncio.timeout(60), tunnel._opening(loop):
            pass
        for each in stuck:
            each.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        slots = tunnel._opening_slots[loop]
        free = 0
        while not slots.locked():
            await slots.acquire()
            free += 1
        assert free == tunnel.MAX_CONCURRENT_OPENINGS

    asyncio.run(main())


async def _stay(loop: asyncio.AbstractEventLoop) -> None:
    async with tunnel._opening(loop):
        await asyncio.Event().wait()
