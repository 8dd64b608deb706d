"""Upgrades that judge themselves, on a real engine: a release that crashes, and one that only complains."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from tests.docker.judged_upgrades import CRASH, PREFIX, ROLLBACK, SERVE, rollbacks, serving, serving_counts, upgrade
from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

COMPLAIN = ["sh", "-c", "trap exit TERM; while true; do echo level=error msg=lost; sleep 1; done"]


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
    with serving_counts(engine.url) as seen:
        upgrade(api, three, CRASH, ROLLBACK)
        wait_until(lambda: rollbacks(api), seconds=90, what="rolled back by its policy")
        api.until_state(three, "active", seconds=60)
        api.until_running(PREFIX, 3)
    assert min(seen) >= 3
    assert "exit code 3" in str(rollbacks(api)[0]["requestObject"])


def test_a_release_that_only_complains_is_stopped_for_a_person_to_decide(
    api: Api, engine: PrivateEngine, three: Any
) -> None:
    with serving_counts(engine.url) as seen:
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
