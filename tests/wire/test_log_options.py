"""Options of log drivers may hold tokens: they are shown to those alone who may see values of variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service

TOKEN, LATER = "B5A79AAD-D822-46CC-80D1-819F80D7BFB0", "hunter2-hunter2"
LOG = {"driver": "json-file", "config": {"tag": TOKEN, "max-size": "1m"}}


@pytest.fixture
def service(api_of: Any, lab: Environment, host: Host, run_loop: Callable[[], None]) -> Any:
    """A running service with a sidekick, both with the options, upgraded once to other ones."""
    api = api_of("bob").inside(lab)
    stack = api.post("environments", {"name": "shop"})
    config = {"imageUuid": "docker:bb:local", "logConfig": LOG, "environment": {"A": TOKEN}}
    side = {**config, "name": "log"}
    body = {"name": "web", "environmentId": stack["id"], "launchConfig": config, "startOnCreate": True}
    made = api.post("services", {**body, "secondaryLaunchConfigs": [side]})
    assert made.status == 201, made.body
    run_loop()
    other = {**config, "logConfig": {**LOG, "config": {"tag": LATER}}}
    upgrade = {"inServiceStrategy": {"launchConfig": other, "intervalMillis": 100}}
    assert api.post(f"services/{made['id']}?action=upgrade", upgrade).status == 202
    for _again in range(3):
        Service.all_objects.update(next_attempt_at=timezone.now())
        run_loop()
    return made


def test_they_are_hidden_in_every_answer_from_those_who_see_no_values(
    service: Any, api_of: Any, lab: Environment
) -> None:
    bob, rita = (api_of(who).inside(lab) for who in ("bob", "rita"))
    path = f"services/{service['id']}"
    paths = [path, "services", "containers", f"{path}/instances", f"{path}/revisions", "servicerevisions"]
    for each in paths:
        answer = rita.get(each)
        assert answer.status == 200, each
        assert TOKEN not in str(answer.body), each
        assert LATER not in str(answer.body), each
    seen = rita.get(path)
    assert seen["launchConfig"]["logConfig"] == {"driver": "json-file", "config": None}
    assert seen["secondaryLaunchConfigs"][0]["logConfig"] == {"driver": "json-file", "config": None}
    assert bob.get(path)["launchConfig"]["logConfig"]["config"] == {"tag": LATER}
    assert TOKEN in str(bob.get(f"{path}/revisions").body)
