"""PostgreSQL takes whatever an engine says: names, labels and refusals with NULs and halves of surrogate pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core.texts import REPLACEMENT
from tests.drivers.stub_engine import StubEngine
from tests.servers.role_processes import RoleProcesses

pytestmark = pytest.mark.servers

BAD = "a\x00b\ud800"
STORED = f"a{REPLACEMENT}b{REPLACEMENT}"
ID = "c0ffee" * 8
_INSPECTED: dict[str, Any] = {
    "Id": ID,
    "Name": f"/{BAD}",
    "Image": BAD,
    "Config": {"Image": BAD, "Labels": {BAD: BAD}, "Env": [f"A={BAD}"]},
    "State": {"Status": "exited", "ExitCode": 1, "Error": BAD},
    "HostConfig": {},
    "NetworkSettings": {"Networks": {}},
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[[str], StubEngine]]:
    """Starts engines."""
    made: list[StubEngine] = []

    def start(name: str) -> StubEngine:
        made.append(StubEngine(tmp_path / f"{name}.sock"))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def test_what_an_engine_says_can_be_saved(roles: RoleProcesses, engine: Callable[[str], StubEngine]) -> None:
    talks, refuses = engine("talks"), engine("refuses")
    listed = {"Id": ID, "Names": [f"/{BAD}"], "Image": BAD, "Labels": {BAD: BAD}, "State": "exited"}
    talks.answers |= {"/containers/json": [listed], f"/containers/{ID}/json": _INSPECTED}
    refuses.answers.pop("/info")
    refuses.refusal = f"no {BAD} way"
    addresses = [f"unix://{each.server_address}" for each in (talks, refuses)]
    output = roles.manage("shell", "-c", f"addresses = {addresses!r}\n{_READ_SCRIPT}")
    seen = json.loads(output.splitlines()[-1])
    assert (seen["container"], seen["message"]) == (STORED, STORED)
    assert STORED in seen["refusal"]
    assert seen["event"] == [STORED, STORED]
    assert seen["audit"] == {STORED: STORED}


_READ_SCRIPT = """
import json
import time
from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.control.services import record
from apps.environments.services import ensure_default_environment
from apps.hosts.models import Host, HostEvent
from apps.hosts.services import host_create
from apps.hosts.tunnels import journal

BAD = "a\\0b\\ud800"
talks, refuses = (
    host_create(actor=None, environment=ensure_default_environment(), url=url, probe=False) for url in addresses
)
for host in (talks, refuses):
    reconcile_one("host", host.pk)
container = Container.all_objects.get(host=talks)
reconcile_one("container", container.pk)
container.refresh_from_db()
journal.write(talks, [journal.build_event(talks, time.time(), "container", "die", BAD, {"name": BAD})])
event = HostEvent.objects.get(host=talks)
entry = record("text.recorded", actor=None, request={BAD: BAD})
entry.refresh_from_db()
refuses.refresh_from_db()
print(json.dumps({
    "container": container.name,
    "message": container.message,
    "refusal": refuses.message,
    "event": [event.subject, event.name],
    "audit": entry.request,
}))
"""
