"""What happens to containers behind the portal's back: seen at once, healed where something wants them alive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from tests.docker.portal_process import (
    DEFAULT_ENVIRONMENT,
    Api,
    PortalProcess,
    wait_until,
)

pytestmark = pytest.mark.docker

ListedContainers = Callable[[str], dict[str, dict[str, Any]]]
PREFIX = "healing_web_"
# Events are what heals: the scan that would find the same comes once a minute only, so waits are shorter than that.
FAR_AWAY = "2099-01-01 00:00:00"


@pytest.fixture
def three(api: Api) -> Iterator[list[Any]]:
    """Three containers of a service."""
    stack, service = api.deploy("healing", "web", 3)
    rows = api.until_running(PREFIX, 3)
    api.until_state(service, "active")
    yield rows
    api.delete(stack)
    api.until_state(stack, "removed", "purged")


def replaced(api: Api, listed_containers: ListedContainers, name: str, was: str) -> bool:
    """Whether the engine runs another container, or the same one started again, under the name, and the API says so."""
    now = listed_containers(name).get(name)
    if now is None or now["State"] != "running" or f"{now['Id']} {now['Status']}" == was:
        return False
    rows = api.containers(name)
    return [row["externalId"] for row in rows if row["state"] == "running"] == [now["Id"]]


def test_a_killed_one_runs_again_within_seconds(
    api: Api, listed_containers: ListedContainers, terminal: docker.APIClient, three: list[Any]
):
    name, before = three[0]["name"], three[0]
    terminal.kill(before["externalId"])
    restarted = wait_until(
        lambda: [r for r in api.containers(name) if r["state"] == "running" and r["startCount"] > before["startCount"]],
        seconds=30,
        what="started again",
    )
    assert listed_containers(PREFIX)[name]["State"] == "running"
    assert restarted[0]["id"] == before["id"]
    assert len(listed_containers(PREFIX)) == 3


def test_one_removed_by_hand_is_made_anew_within_seconds(
    api: Api, listed_containers: ListedContainers, terminal: docker.APIClient, three: list[Any]
):
    name, was = three[1]["name"], three[1]["externalId"]
    terminal.remove_container(was, force=True)
    wait_until(lambda: replaced(api, listed_containers, name, was), seconds=30, what="replaced")
    assert sorted(listed_containers(PREFIX)) == [f"{PREFIX}{n}" for n in (1, 2, 3)]
    assert len(api.containers(PREFIX)) == 3


def test_lost_events_cost_at_most_a_minute(
    portal: PortalProcess, api: Api, listed_containers: ListedContainers, terminal: docker.APIClient, three: list[Any]
):
    # As if another gateway held the engine's events and slept: nobody hears what happens there.
    portal.rows(f"UPDATE hosts_host SET gateway = 'elsewhere', gateway_until = '{FAR_AWAY}'")  # noqa: S608
    try:
        time.sleep(3)
        name, was = three[2]["name"], three[2]["externalId"]
        began = time.monotonic()
        terminal.remove_container(was, force=True)
        alone = terminal.create_container("bb:local", name="nobody-told")["Id"]
        time.sleep(2)
        assert name not in listed_containers(PREFIX), "the events were not lost, so this shows nothing"
        wait_until(
            lambda: replaced(api, listed_containers, name, was), seconds=60, what="replaced by the scan", pause=0.5
        )
        wait_until(lambda: api.containers("nobody-told"), seconds=60, what="taken in by the scan", pause=0.5)
        assert time.monotonic() - began < 60
        terminal.remove_container(alone, force=True)
    finally:
        portal.rows("UPDATE hosts_host SET gateway = '', gateway_until = NULL")


def test_a_container_that_runs_out_of_memory_says_so(portal: PortalProcess, api: Api):
    # A shell that doubles a text until the limit is met.
    greedy = ["/bin/sh", "-c", "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done"]
    limit = 8 * 1024 * 1024
    row = api.create(
        "containers", name="greedy", imageUuid="docker:bb:local", command=greedy, memory=limit, memorySwap=limit
    )
    # The reason is what is shown here. How soon it is seen depends on the kernel, and on the test before, after which
    # the engine's events are heard anew: at the latest the next scan sees it.
    row = api.until_state(row, "stopped", "error", seconds=90)
    assert row["state"] == "stopped"
    page = f"/env/{DEFAULT_ENVIRONMENT}/containers/{row['id'].removeprefix('1i')}"
    # The kernel's report reaches the engine beside the end of the process, and on a busy machine after it.
    wait_until(lambda: "ran out of memory" in portal.page(page), seconds=60, what="the reason on the page", pause=0.5)
    api.delete(row)
    api.until_state(row, "removed", "purged")


def test_a_container_made_outside_can_be_managed(
    api: Api, listed_containers: ListedContainers, terminal: docker.APIClient
):
    made = terminal.create_container("bb:local", name="by-hand", labels={"mine": "yes"})["Id"]
    terminal.start(made)
    rows = wait_until(lambda: api.containers("by-hand"), seconds=30, what="taken in")
    row = api.until_state(rows[0], "running")
    assert row["nativeContainer"] is True
    assert row["externalId"] == made
    assert row["imageUuid"] == "docker:bb:local"
    assert row["labels"]["mine"] == "yes"

    api.act(row, "stop")
    row = api.until_state(row, "stopped")
    assert listed_containers("by-hand")["by-hand"]["State"] == "exited"
    api.act(row, "start")
    row = api.until_state(row, "running")
    assert listed_containers("by-hand")["by-hand"]["Id"] == made
    terminal.stop(made, timeout=1)
    row = api.until_state(row, "stopped", seconds=30)
    assert listed_containers("by-hand")["by-hand"]["State"] == "exited", "a standalone container is as people leave it"
    api.delete(row)
    api.until_state(row, "removed", "purged")
    assert listed_containers("by-hand") == {}
