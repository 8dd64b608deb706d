"""How many containers run on real engines, looked at again and again from beside the portal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import docker

_PAUSE = 0.1


@contextmanager
def running_counts(*urls: str, which: Callable[[Any], bool]) -> Iterator[Sequence[int]]:
    """Count the running containers of these engines whose summary is one of `which`, every 0.1 s until the end."""
    clients = [docker.APIClient(base_url=url, version="auto", timeout=60) for url in urls]
    over, seen = threading.Event(), list[int]()

    def look() -> None:
        while not over.wait(_PAUSE):
            seen.append(sum(which(each) for client in clients for each in client.containers()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        for client in clients:
            client.close()
