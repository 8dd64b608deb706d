"""Nobody's requests keep others from theirs: the order of turns, and how long a client rests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from corral_agent.metadata import turns as own_module
from corral_agent.metadata.turns import REST, Turns


def play(taken: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[float], Turns]:
    """Take these turns (client, seconds of work), all wanted at once: their order, and the rests before them."""
    order, rests, turns, now = list[str](), list[float](), Turns(), 100.0

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        usual = asyncio.sleep

        async def rest(seconds: float) -> None:
            nonlocal now
            rests.append(round(seconds, 3))
            await usual(0)
            now += seconds

        def work(client: str, seconds: float) -> None:
            nonlocal now
            order.append(client)
            now += seconds

        monkeypatch.setattr(loop, "time", lambda: now)
        monkeypatch.setattr(own_module.asyncio, "sleep", rest)
        await asyncio.gather(*(turns.take(client, lambda c=client, s=seconds: work(c, s)) for client, seconds in taken))

    asyncio.run(main())
    return order, rests, turns


def test_one_client_has_one_turn_at_a_time_whatever_it_asks(monkeypatch: pytest.MonkeyPatch):
    order, _, _ = play([("flood", 0.0)] * 4 + [("other", 0.0)], monkeypatch)
    assert order == ["flood", "other", "flood", "flood", "flood"]


def test_a_client_rests_in_proportion_to_what_it_has_cost(monkeypatch: pytest.MonkeyPatch):
    _, rests, _ = play([("a", 0.5), ("a", 0.1), ("a", 0.0), ("a", 0.0)], monkeypatch)
    assert rests == [0.0, 0.5 * REST, round(0.1 * REST, 3), 0.0]


def test_the_rested_are_forgotten_once_there_are_many(monkeypatch: pytest.MonkeyPatch):
    _, _, turns = play([(f"client{number}", 0.0) for number in range(3000)], monkeypatch)
    assert len(turns._locks) == len(turns._rests_until) <= 1001
