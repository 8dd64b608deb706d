"""Work in a thread gives its outcome, and delays neither the loop nor its end."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from corral_agent.threads import run_in_thread


def test_an_outcome_comes_back():
    assert asyncio.run(run_in_thread(lambda: 7)) == 7
    assert asyncio.run(run_in_thread(lambda: None)) is None


def test_a_failure_comes_back_too():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_in_thread(lambda: 1 // 0))


def test_nobody_waits_for_work_that_was_left():
    going = threading.Event()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run_in_thread(lambda: going.wait(20)), 0.02)

    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < 5
    going.set()
