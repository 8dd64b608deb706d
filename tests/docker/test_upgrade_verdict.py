"""Upgrades that judge themselves, on a real engine: a release that crashes, and one that only complains."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import docker
import pytest

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

PREFIX = "judged_web_"
SERVE = ["sh", "-c", "trap exit TERM; echo level=info msg=started; sleep 600 & wait"]
CRASH = ["sh", "-c", "echo level=fatal msg=boom; exit 3"]
COMPLAIN = ["sh", "-c", "trap exit TERM; while true; do echo level=error msg=lost; sleep 1; done"]
ROLLBACK = {"minutes": 5, "onBad": "rollback", "onGood": "finish"}


def serving(client: docker.APIClient) -> int:
    """How many containers of the old release run."""
    listed = [each for each in client.containers() if each["Names"][0].startswith(f"/{PREFIX}")]
    return sum("msg=started" in each["Command"] for each in listed)


@contextmanager
def serving_counts(engine: PrivateEngine) -> Iterator[list[int]]:
    """How many of the old release run, looked at again and again from beside the portal."""
    client, over, seen = docker.APIClient(base_url=engine.url, version="auto"), threading.Event(), []

    def look() -> None:
        while not over.wait(0.1):
            seen.append(serving(client))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        client.close()


def upgrade(api: Api, row: Any, command: list[str], verdict: Any) -> Any:
    config = {**api.reload(row)["launchConfig"], "command": command}
    strategy = {"launchConfig": config, "intervalMillis": 100, "startFirst": True, "verdict": verdict}
    return api.act(api.reload(row), "upgrade", inServiceStrategy=strategy)


@pytest.fixture
def three(api: Api) -> Iterator[Any]:
    """A service of three containers that serve."""
    stack, service = api.deploy("judged", "web", 3, command=SERVE)
    api.until_running(PREFIX, 3)
    yield api.until_state(service, "active")
    api.delete(stack)
    api.until_state(stack, "removed", "purged", seconds=60)


def test_a_release_that_crashes_is_rolled_back_while_the_old_one_serves(
    api: Api, engine: PrivateEngine, three: Any
) -> None:
    with serving_counts(engine) as seen:
        upgrade(api, three, CRASH, ROLLBACK)
        wait_until(lambda: "rollback" in audited(api), seconds=90, what="rolled back by its policy")
        api.until_state(three, "active", seconds=60)
        api.until_running(PREFIX, 3)
    assert min(seen) >= 3
    entry = next(each for each in api.get("auditlogs?limit=100&sort=id&order=desc")["data"] if is_rollback(each))
    assert "exit code 3" in str(entry["requestObject"])


def audited(api: Api) -> str:
    return "rollback" if any(is_rollback(each) for each in api.get("auditlogs?limit=100")["data"]) else ""


def is_rollback(entry: Any) -> bool:
    return str(entry["eventType"]).endswith(".rollback")


def test_a_release_that_only_complains_is_stopped_for_a_person_to_decide(
    api: Api, engine: PrivateEngine, three: Any
) -> None:
    with serving_counts(engine) as seen:
        upgrade(api, three, COMPLAIN, {"minutes": 2})
        row = api.until_state(three, "canceled-upgrade", seconds=180)
    assert min(seen) >= 2, "one of them had been replaced"
    judgement = row["upgrade"]["judgement"]
    assert (judgement["verdict"], judgement["outcome"]) == ("bad", "stopped")
    errors = next(each for each in judgement["findings"] if each["signal"] == "errors")
    assert (errors["finding"], errors["oldCount"]) == ("worse", 0)
    assert errors["newCount"] >= 5
    api.act(row, "rollback")
    api.until_state(three, "active", seconds=60)
    api.until_running(PREFIX, 3)


def test_a_portal_that_is_killed_rolls_back_once_it_is_there_again(
    engine: PrivateEngine, terminal: docker.APIClient, new_portal: Callable[..., PortalProcess]
) -> None:
    portal = new_portal(engine.url)
    portal.start()
    api = portal.api()
    _stack, service = api.deploy("judged", "web", 2, command=SERVE)
    api.until_running(PREFIX, 2)
    api.until_state(service, "active")
    upgrade(api, service, CRASH, ROLLBACK)
    for _ in range(3):
        portal.end(signal.SIGKILL)
        assert serving(terminal) >= 2
        portal.start()
    wait_until(lambda: api.reload(service)["state"] == "active", seconds=90, what="rolled back")
    api.until_running(PREFIX, 2)
    assert serving(terminal) == 2
    portal.end()
