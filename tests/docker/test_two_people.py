"""Two people upgrade, scale, stop and delete the same service at once, on a real portal with a real engine.

What they do is in `tests/incidents/two_people.py`; `TWO_PEOPLE_REAL_RUNS` has them do it more often.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import docker
import pytest
import requests

from apps.containers.engine import UUID_LABEL
from apps.core.ids import row_number
from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.incidents.two_people import NEW, OLD, SCALE, SEED, End, Person, chance_of, unexpected

pytestmark = pytest.mark.docker

RUNS = int(os.environ.get("TWO_PEOPLE_REAL_RUNS", "3"))
PAUSE = 0.6  # seconds at most before each turn: what an engine takes for a container, so that it is met half-way
PENDING = "SELECT count(*) FROM control_operation WHERE state IN ('pending', 'running')"
SERVICE = "SELECT desired, upgrade, uuid FROM stacks_service WHERE id = {}"
SLOTS = "SELECT count(*) FROM stacks_slot WHERE service_id = {}"
CONTAINERS = "SELECT uuid FROM containers_container WHERE spread_key = '{}' AND removed IS NULL"


@dataclass
class Answered:
    """An answer in the form that people look at."""

    status: int
    body: Any

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


def sender(api: Api) -> Any:
    def send(method: str, path: str, body: Any) -> Answered:
        answer: requests.Response = api.call(method, path, body)
        assert answer.status_code < 500, (method, path, body, answer.text[:600])
        return Answered(answer.status_code, answer.json() if answer.content else None)

    return send


class Site:
    """One service after the other, each with its two people."""

    def __init__(self, portal: PortalProcess, terminal: docker.APIClient) -> None:
        self.portal, self.terminal, self.apis = portal, terminal, [portal.api(), portal.api()]
        terminal.tag(OLD.removeprefix("docker:"), *NEW.removeprefix("docker:").split(":"))
        self.stack = self.apis[0].create("environments", name="shop")

    def new_service(self, name: str) -> Any:
        body = {"name": name, "environmentId": self.stack["id"], "scale": SCALE, "startOnCreate": True}
        made = self.apis[0].create("services", launchConfig={"imageUuid": OLD}, **body)
        return self.apis[0].until_state(made, "active")

    def rest(self) -> None:
        wait_until(lambda: self.portal.rows(PENDING) == [(0,)], seconds=120, what="nothing pending", pause=0.2)

    def end_of(self, made: Any) -> End:
        key = row_number(made["id"])
        ((desired, upgrade, number),) = self.portal.rows(SERVICE.format(key))
        row, uuid = self.apis[0].reload(made), UUID(number)
        prefix = f"/shop_{made['name']}_"
        boxes = [each for each in self.terminal.containers(all=True) if each["Names"][0].startswith(prefix)]
        return End(
            desired,
            json.loads(upgrade).get("phase", ""),
            row["state"],
            row["transitioning"] != "no",
            row["scale"],
            self.portal.rows(SLOTS.format(key))[0][0],
            frozenset(str(UUID(each)) for (each,) in self.portal.rows(CONTAINERS.format(uuid))),
            tuple((each["Labels"][UUID_LABEL], each["State"]) for each in boxes),
            row["transitioningMessage"] or "",
        )

    def trouble_of(self, made: Any) -> str:
        """What does not hold at the end; empty if all does."""
        try:
            self.end_of(made).check()
        except AssertionError as error:
            return str(error) or "it is not as desired"
        return ""

    def remove(self, made: Any) -> None:
        """Take the service away, if neither of the two has."""
        if self.end_of(made).desired != "removed":
            self.apis[0].delete(made)
        wait_until(lambda: self.end_of(made).state == "removed", seconds=60, what="removed", pause=0.2)
        assert self.end_of(made).boxes == ()


@pytest.fixture(scope="module")
def site(portal: PortalProcess, terminal: docker.APIClient) -> Iterator[Site]:
    yield Site(portal, terminal)
    # Other tests remove the image by its one name, of which two names would make something else.
    terminal.remove_image(NEW.removeprefix("docker:"))


@pytest.mark.parametrize("run", range(RUNS))
def test_two_people_and_one_service_on_an_engine(site: Site, run: int) -> None:
    chance, story = chance_of(run), f"run {run} of seed {SEED}"
    made = site.new_service(f"web{run}")
    two = [
        Person(sender(api), f"services/{made['id']}", random.Random(chance.random()), PAUSE)  # noqa: S311
        for api in site.apis
    ]
    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(person.act) for person in two]:
            each.result(120)
    answers = two[0].answers + two[1].answers
    assert not unexpected(answers), (story, answers)
    try:
        site.rest()
        wait_until(lambda: not site.trouble_of(made), seconds=30, what=story, pause=0.2)
    except AssertionError as error:
        raise AssertionError(f"{story}: {answers}: {site.trouble_of(made)}: {site.end_of(made)}") from error
    site.remove(made)
    assert "Traceback" not in site.portal.log.read_text(errors="replace"), story
