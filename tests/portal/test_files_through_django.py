"""A file from the server's side of ASGI through Django and the API to an engine, in threads as in the real portal."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from apps.accounts.services import key_create
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.services import host_create
from portal.front_door.refusals import Message

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faces]
PIECE = 65_536


class _Client:
    """Sends a file in the pieces of a server, and keeps the answer; it notes how much was taken."""

    def __init__(self, data: bytes) -> None:
        self.taken = 0
        self.status = 0
        self.body = b""
        self._pieces: Iterator[bytes] = iter([data[at : at + PIECE] for at in range(0, len(data), PIECE)])

    async def receive(self) -> Message:
        piece = next(self._pieces, None)
        if piece is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        self.taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")

    @property
    def answer(self) -> Any:
        return json.loads(self.body)


def post(path: str, action: str, data: bytes, credentials: str) -> _Client:
    from portal.asgi import application

    client = _Client(data)
    pair = base64.b64encode(credentials.encode())
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": f"action={action}".encode(),
        "headers": [
            (b"host", b"testserver"),
            (b"accept", b"application/json"),
            (b"authorization", b"Basic " + pair),
            (b"content-type", b"application/x-tar"),
            (b"content-length", str(len(data)).encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    asyncio.run(application(scope, client.receive, client.send))
    return client


@pytest.fixture
def credentials(people: Any) -> str:
    """A key of alice, who owns an environment with one host, `1h1` or whatever its number is."""
    made = key_create(actor=actor_of_user(people.alice, "api"), account=people.alice, name="test")
    reconcile_until_idle()
    return f"{made.key.public_value}:{made.secret}"


@pytest.fixture
def host_path(people: Any, sim: SimulatedDriver) -> str:
    environment: Environment = environment_create(actor=actor_of_user(people.alice, "api"), name="Files")
    row = host_create(actor=None, environment=environment, url=f"sim://{sim.name}", name="h1")
    reconcile_until_idle()
    return f"/v1/hosts/1h{row.pk}"


@pytest.fixture
def archive(sim: SimulatedDriver) -> bytes:
    sim.local_images.add("shop:1")
    found = b"".join(sim.save("shop:1"))
    sim.local_images.discard("shop:1")
    return found


def test_an_archive_reaches_the_engine(credentials: str, host_path: str, archive: bytes, sim: SimulatedDriver):
    client = post(host_path, "importimage", archive, credentials)
    assert (client.status, client.answer["images"]) == (200, ["shop:1"])
    assert sim.find_image("shop:1")
    assert client.taken == len(archive)


def test_who_is_unknown_is_refused_without_the_engine(host_path: str, archive: bytes, sim: SimulatedDriver):
    client = post(host_path, "importimage", archive, "nobody:nothing")
    assert client.status == 401
    assert sim.calls["load"] == 0


def test_what_is_no_archive_is_refused_with_the_reason(credentials: str, host_path: str):
    client = post(host_path, "importimage", b"no archive" * 100_000, credentials)
    assert (client.status, client.answer["code"]) == (422, "InvalidFormat")
