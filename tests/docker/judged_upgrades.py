"""Releases that an upgrade judges, on real engines: what of the old one serves, and whether the policy went back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import docker

from tests.docker.portal_process import Api

PREFIX = "judged_web_"
SERVE = ["sh", "-c", "trap exit TERM; echo level=info msg=started; sleep 600 & wait"]
CRASH = ["sh", "-c", "echo level=fatal msg=boom; exit 3"]
ROLLBACK = {"minutes": 5, "onBad": "rollback", "onGood": "finish"}


def serving(*clients: docker.APIClient) -> int:
    """How many containers of the old release run on these engines."""
    listed = [each for client in clients for each in client.containers()]
    mine = [each for each in listed if each["Names"][0].startswith(f"/{PREFIX}")]
    return sum("msg=started" in each["Command"] for each in mine)


@contextmanager
def serving_counts(*urls: str) -> Iterator[Sequence[int]]:
    """How many of the old release run, looked at again and again from beside the portal."""
    clients = [docker.APIClient(base_url=url, version="auto", timeout=60) for url in urls]
    over, seen = threading.Event(), list[int]()

    def look() -> None:
        while not over.wait(0.1):
            seen.append(serving(*clients))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        for client in clients:
            client.close()


def upgrade(api: Api, row: Any, command: list[str], verdict: Any, **strategy: Any) -> Any:
    """Upgrade a service to this command, the new containers first."""
    config = {**api.reload(row)["launchConfig"], "command": command}
    wanted = {"launchConfig": config, "intervalMillis": 100, "startFirst": True, "verdict": verdict, **strategy}
    return api.act(api.reload(row), "upgrade", inServiceStrategy=wanted)


def rollbacks(api: Api) -> list[Any]:
    """The audited rollbacks, newest first."""
    entries = api.get("auditlogs?limit=100&sort=id&order=desc")["data"]
    return [each for each in entries if str(each["eventType"]).endswith(".rollback")]
