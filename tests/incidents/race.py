"""Several threads that do the same thing at the same moment, each on a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

Outcome = Any
Attempt = Callable[[], Any]


def race(attempts: Sequence[Attempt]) -> list[Outcome]:
    """What each attempt returned, or the exception that it raised; all of them start together."""
    start = threading.Barrier(len(attempts))
    outcomes: list[Outcome] = [None] * len(attempts)

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(30)
            outcomes[number] = attempts[number]()
        except Exception as error:  # noqa: BLE001 - the outcome is what is looked at
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(attempts))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not [each for each in threads if each.is_alive()], "an attempt never ended"
    return outcomes
