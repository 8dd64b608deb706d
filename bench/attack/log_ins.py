"""Passwords guessed by many connections at once: how many are looked at, and what the looking costs."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.attack.victim import Victim

COUNT = 30


def guessing(victim: Victim) -> Iterator[str]:
    """Thirty wrong passwords for one name, then for thirty names, each at the same moment."""
    anonymous = Victim(victim.host, victim.port)
    mark = f"{time.time():.0f}"  # names of this run: earlier ones have used theirs up
    for what, names in (
        ("one name", [f"guessed-{mark}"] * COUNT),
        ("thirty names", [f"guessed-{mark}-{n}" for n in range(COUNT)]),
    ):
        began = time.monotonic()
        with ThreadPoolExecutor(COUNT) as pool:
            answers = Counter(pool.map(lambda name: _guess(anonymous, name), names))
        yield f"{COUNT} for {what}: {dict(answers)} in {time.monotonic() - began:.1f} s (401: looked at)"


def _guess(victim: Victim, name: str) -> str:
    return victim.request("POST", "/v1/token", json.dumps({"code": f"{name}:wrong"}).encode())
