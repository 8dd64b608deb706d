"""The front door of a real portal: what was possible from outside, and what clients rely on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.attack import front_door
from bench.attack.victim import Victim
from tests.docker.portal_process import PortalProcess

pytestmark = pytest.mark.servers

MB = 1024 * 1024


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    data_dir: Path = tmp_path_factory.mktemp("door") / "portal"
    data_dir.mkdir()
    portal = PortalProcess(data_dir, "unix:///nowhere.sock")
    portal.start()
    yield Victim("127.0.0.1", portal.port)
    portal.end()


@pytest.mark.parametrize("path", ["/login", "/healthz", "/v1/token", "/v1/projects", "/static/none"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_flood_is_answered_long_before_its_end(victim: Victim, path: str, chunked: bool):
    said = front_door._flood(victim, path, 64 * MB, chunked=chunked)
    assert "answer 413" in said, said
    assert int(said.split(" ")[0]) < 32, said


def test_large_heads_are_refused(victim: Victim):
    assert [line.rpartition(" ")[2] for line in front_door.header_bombs(victim)] == ["431"] * 3


def test_one_address_does_not_take_every_connection(victim: Victim):
    opened: list[socket.socket] = []
    with contextlib.suppress(OSError):
        opened.extend(victim.connect(5) for _ in range(600))
    assert victim.request("GET", "/login") == "503"
    for each in opened:
        each.close()
    for _ in range(50):  # the portal hears of the closes in its own time
        if (answer := victim.request("GET", "/setup")) == "200":
            break
    assert answer == "200"


def test_an_idle_connection_outlives_the_pauses_of_clients(victim: Victim):
    assert list(front_door.idle_connection(victim, 7)) == ["open after 7 s"]
