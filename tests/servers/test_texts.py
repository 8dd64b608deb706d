"""PostgreSQL takes whatever an engine says: names, labels and refusals with NULs and halves of surrogate pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core.texts import MARK
from tests.drivers.paper_engine import PaperEngine
from tests.servers.roles import Roles

pytestmark = pytest.mark.servers

BAD = "a\x00b\ud800"
KEPT = f"a{MARK}b{MARK}"
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
def engine(tmp_path: Path) -> Iterator[Callable[[str], PaperEngine]]:
    """Starts engines."""
    made: list[PaperEngine] = []

    def start(name: str) -> PaperEngine:
        made.append(PaperEngine(tmp_path / f"{name}.sock"))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def test_what_an_engine_says_can_be_saved(roles: Roles, engine: Callable[[str], PaperEngine]) -> None:
    talks, refuses = engine("talks"), engine("refuses")
    listed = {"Id": ID, "Names": [f"/{BAD}"], "Image": BAD, "Labels": {BAD: BAD}, "State": "exited"}
    talks.answers |= {"/containers/json": [listed], f"/containers/{ID}/json": _INSPECTED}
    refuses.answers.pop("/info")
    refuses.refusal = f"no {BAD} way"
    roles.manage("migrate", "--verbosity", "0")
    addresses = [f"unix://{each.server_address}" for each in (talks, refuses)]
    said = roles.manage("shell", "-c", f"addresses = {addresses!r}\n{_LOOK}")
    seen = json.loads(said.splitlines()[-1])
    assert (seen["container"], seen["message"]) == (KEPT, KEPT)
    assert KEPT in seen["refusal"]
    assert seen["event"] == [KEPT, KEPT]
    assert seen["audit"] == {KEPT: KEPT}


_LOOK = """
import json
import time
from apps.containers.models import Container
from apps.control.reconcile import look
from apps.control.services import record
from apps.environments.services import environment_default
from apps.hosts.models import Host, HostEvent
from apps.hosts.services import host_create
from apps.hosts.tunnels import journal

BAD = "a\\0b\\ud800"
talks, refuses = (
    host_create(actor=None, environment=environment_default(), url=url, probe=False) for url in addresses
)
for host in (talks, refuses):
    look("host", host.pk)
container = Container.all_objects.get(host=talks)
look("container", container.pk)
container.refresh_from_db()
journal.write(talks, [journal.line(talks, time.time(), "container", "die", BAD, {"name": BAD})])
event = HostEvent.objects.get(host=talks)
entry = record("text.told", actor=None, request={BAD: BAD})
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
