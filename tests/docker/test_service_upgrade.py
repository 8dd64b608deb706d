"""Ten containers of a real engine brought to another image: in batches, broken, and with the portal killed half-way.

The other order, the way back from half-way and an image that is nowhere are tried on three hosts (tests/drill).
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from tests.docker.container_counts import running_counts
from tests.docker.portal_process import Api, PortalProcess
from tests.engine import PrivateEngine, remove_all_containers

pytestmark = pytest.mark.docker

OLD, NEW = "bb:local", "bb:two"
PREFIX = "up_web_"


@pytest.fixture(autouse=True)
def _second_image(terminal: docker.APIClient, _clean_engine: None) -> Iterator[None]:
    """The same image under a second name, which is another image to whoever upgrades; other tests count names."""
    terminal.tag(OLD, "bb", "two")
    yield
    remove_all_containers(terminal)
    terminal.remove_image(NEW)


@pytest.fixture
def ten(api: Api) -> Iterator[Any]:
    """A service of ten running containers."""
    stack, service = api.deploy("up", "web", 10)
    api.until_running(PREFIX, 10)
    yield api.until_state(service, "active")
    api.delete(stack)
    api.until_state(stack, "removed", "purged", seconds=60)


def images(terminal: docker.APIClient) -> list[tuple[str, str]]:
    """Image and state of everything on the engine that has the service's name."""
    listed = [each for each in terminal.containers(all=True) if each["Names"][0].startswith(f"/{PREFIX}")]
    return sorted((each["Image"], each["State"]) for each in listed)


def upgrade(api: Api, row: Any, image: str = NEW, **strategy: Any) -> Any:
    config = {**api.reload(row)["launchConfig"], "imageUuid": f"docker:{image}", **strategy.pop("launch", {})}
    settings = {"batchSize": 3, "intervalMillis": 100, "minReadySeconds": 0, **strategy}
    return api.act(api.reload(row), "upgrade", inServiceStrategy={"launchConfig": config, **settings})


def test_ten_in_batches_of_three(api: Api, terminal: docker.APIClient, engine: PrivateEngine, ten: Any) -> None:
    with running_counts(engine.url, which=lambda each: each["Names"][0].startswith(f"/{PREFIX}")) as seen:
        upgrade(api, ten, startFirst=True)
        row = api.until_state(ten, "upgraded", seconds=120)
    assert min(seen) >= 10
    assert max(seen) <= 13
    assert images(terminal) == [(OLD, "exited")] * 10 + [(NEW, "running")] * 10
    api.act(row, "finishupgrade")
    api.until_state(ten, "active")
    api.until_running(PREFIX, 10)
    assert images(terminal) == [(NEW, "running")] * 10


def test_a_broken_configuration_takes_one_batch_only_and_goes_back(
    api: Api, terminal: docker.APIClient, ten: Any
) -> None:
    upgrade(api, ten, launch={"command": ["/no/such/program"]})
    deadline = time.monotonic() + 30
    while "no such" not in str(api.reload(ten)["transitioningMessage"]).lower():
        assert time.monotonic() < deadline, api.reload(ten)["transitioningMessage"]
        time.sleep(0.2)
    time.sleep(2)
    assert images(terminal).count((OLD, "running")) == 7
    api.act(api.reload(ten), "cancelupgrade")
    api.act(api.until_state(ten, "canceled-upgrade"), "rollback")
    api.until_state(ten, "active", seconds=60)
    api.until_running(PREFIX, 10)
    assert images(terminal) == [(OLD, "running")] * 10


def test_killed_at_any_moment_it_ends_at_what_was_wanted_last(
    engine: PrivateEngine, terminal: docker.APIClient, new_portal: Callable[..., PortalProcess]
) -> None:
    portal = new_portal(engine.url)
    portal.start()
    api = portal.api()
    _stack, service = api.deploy("up", "web", 5)
    api.until_running(PREFIX, 5)
    chance = random.Random(11)  # noqa: S311
    image = OLD
    for turn in range(2):  # one of each order; tests/loop tries every moment
        image = NEW if image == OLD else OLD
        api.until_state(service, "active", seconds=60)
        upgrade(api, service, image, batchSize=2, startFirst=bool(turn % 2))
        time.sleep(chance.uniform(0, 2))
        portal.end(signal.SIGKILL)
        portal.start()
        row = api.until_state(service, "upgraded", seconds=90)
        action = chance.choice(["finishupgrade", "rollback"])
        image = image if action == "finishupgrade" else (OLD if image == NEW else NEW)
        api.act(row, action)
        time.sleep(chance.uniform(0, 0.5))
        portal.end(signal.SIGKILL)
        portal.start()
        api.until_state(service, "active", seconds=90)
        api.until_running(PREFIX, 5)
        assert images(terminal) == [(image, "running")] * 5
    portal.end(signal.SIGTERM)
