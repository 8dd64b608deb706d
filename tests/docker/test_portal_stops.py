"""The portal stops, dies, starts before its engine: containers run on, and what was asked is reached in the end."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

ListedContainers = Callable[[str], dict[str, dict[str, Any]]]


def lives(terminal: docker.APIClient, names: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Id and start time by name."""
    inspected = [terminal.inspect_container(each["Id"]) for each in names.values()]
    return {each["Name"].lstrip("/"): (each["Id"], each["State"]["StartedAt"]) for each in inspected}


def test_a_stop_and_a_start_leave_every_container_alone(
    portal: PortalProcess, api: Api, listed_containers: ListedContainers, terminal: docker.APIClient
):
    stack, service = api.deploy("staying", "web", 4)
    rows = api.until_running("staying_web_", 4)
    before = lives(terminal, listed_containers(""))

    assert portal.end(signal.SIGTERM) == 0
    assert lives(terminal, listed_containers("")) == before
    portal.start()

    known = api.until_running("staying_web_", 4)
    assert [row["id"] for row in known] == [row["id"] for row in rows]
    assert [row["externalId"] for row in known] == [row["externalId"] for row in rows]
    time.sleep(3)  # long enough for a first look at everything to do harm
    assert lives(terminal, listed_containers("")) == before
    assert api.reload(service)["state"] == "active"
    api.delete(stack)
    api.until_state(stack, "removed", "purged")


def test_what_happened_while_the_portal_was_away_is_put_right(
    portal: PortalProcess, api: Api, listed_containers: ListedContainers, terminal: docker.APIClient
):
    stack, _service = api.deploy("away", "web", 3)
    rows = api.until_running("away_web_", 3)
    portal.end(signal.SIGKILL)
    terminal.kill(rows[0]["externalId"])
    terminal.remove_container(rows[1]["externalId"], force=True)
    portal.start()
    wait_until(
        lambda: [each["State"] for each in listed_containers("away_web_").values()] == ["running"] * 3,
        seconds=60,
        what="all run again",
    )
    assert listed_containers("away_web_")[rows[2]["name"]]["Id"] == rows[2]["externalId"]
    api.until_running("away_web_", 3)
    api.delete(stack)
    api.until_state(stack, "removed", "purged")


@pytest.mark.parametrize("number", range(2))
def test_a_kill_in_the_middle_of_a_scale_up_loses_and_doubles_nothing(
    portal: PortalProcess, api: Api, listed_containers: ListedContainers, number: int
):
    moment = random.SystemRandom().uniform(0.05, 2.0)
    prefix = f"cut{number}_web_"
    stack, service = api.deploy(f"cut{number}", "web", 2)
    api.until_running(prefix, 2)
    api.until_state(service, "active")
    api.request("PUT", service["links"]["self"], {"scale": 10})
    time.sleep(moment)
    portal.end(signal.SIGKILL)
    portal.start()

    rows = api.until_running(prefix, 10, seconds=60)
    api.until_state(service, "active")
    context = f"killed {moment:.2f} s after the request"
    on_engine = listed_containers("")
    assert sorted(on_engine) == sorted(f"{prefix}{n}" for n in range(1, 11)), context
    assert {row["name"]: row["externalId"] for row in rows} == {n: s["Id"] for n, s in on_engine.items()}, context
    assert {each["State"] for each in on_engine.values()} == {"running"}, context
    stored_names = portal.rows("SELECT name FROM containers_container WHERE removed IS NULL")
    assert len(stored_names) == len(set(stored_names)) == 10, context
    api.delete(stack)
    api.until_state(stack, "removed", "purged")
    assert listed_containers("") == {}, context


def test_the_portal_starts_without_its_engine_and_finds_it_later(
    engine: PrivateEngine, new_portal: Callable[..., PortalProcess], tmp_path: Path, listed_containers: ListedContainers
):
    later = Path(f"/tmp/{tmp_path.name[:40]}-{time.time_ns()}.sock")
    portal = new_portal(f"unix://{later}")
    portal.start()
    api = portal.api()
    assert api.get("hosts")["data"] == []
    waiting = api.create("containers", name="early", imageUuid="docker:bb:local")
    time.sleep(1)
    waiting = api.reload(waiting)
    assert waiting["state"] != "running"
    assert waiting["transitioningMessage"]

    later.symlink_to(engine.url.removeprefix("unix://"))
    try:
        hosts = wait_until(lambda: api.get("hosts")["data"], seconds=120, what="the engine found")
        api.until_state(hosts[0], "active")
        api.until_state(waiting, "running", seconds=120)
        assert set(listed_containers("")) == {"early"}
    finally:
        portal.end(signal.SIGTERM)
        later.unlink(missing_ok=True)
        shutil.rmtree(portal.data_dir, ignore_errors=True)
