"""The Docker API over a WebSocket: text frames of base64, a ticket for each, rights that are checked all the time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.drivers.base import CreateRequest, Endpoint
from apps.drivers.registry import discard_driver
from apps.drivers.simulated.engine import SimulatedDriver, reset_engines, simulated_engine
from apps.environments.models import Environment
from apps.environments.services import members_set, ticket_issue
from apps.realtime import docker_socket
from tests.realtime.websocket_client import WebSocketClient, becomes_true, run_async, session_headers, threads_named

pytestmark = pytest.mark.django_db(transaction=True)

EXEC = b'{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true}'


@pytest.fixture
def sim(container: Container) -> Iterator[SimulatedDriver]:
    found = simulated_engine("h1")
    key = found.create(CreateRequest("web", {"Image": "bb:local"}))
    found.start(key)
    Container.all_objects.filter(pk=container.pk).update(external_id=key)
    container.refresh_from_db()
    yield found
    reset_engines()
    discard_driver(Endpoint("sim://h1"))


@pytest.fixture
def path(actor_of: Any, container: Container) -> Callable[..., str]:
    """The URL with a ticket of somebody."""

    def make(name: str = "alice", verb: str = "dockersocket") -> str:
        token = ticket_issue(
            actor=actor_of(name),
            environment_id=container.environment_id,
            verb=verb,
            kind="host",
            target=container.host_id or 0,
        )
        return f"/v1/dockersocket/?token={token}"

    return make


def request(method: str, target: str, body: bytes = b"", upgrade: bytes = b"") -> str:
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\n".encode() + upgrade
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return base64.b64encode(head + length + b"\r\n" + body).decode()


async def received(client: WebSocketClient, wanted: bytes) -> bytes:
    """What came until `wanted` is in it; each frame is base64 by itself."""
    got = b""
    while wanted not in got:
        got += base64.b64decode((await client.frame())["text"], validate=True)
    return got


def test_requests_are_answered_on_one_connection(path: Any, container: Container, sim: SimulatedDriver):
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            sent = request("GET", "/v1.41/_ping")
            await client.send(sent[:8])  # any four characters are whole by themselves
            await client.send(sent[8:])
            assert b"Api-Version" in await received(client, b"\r\n\r\nOK")
            await client.send(request("GET", "/v1.41/containers/json"))
            assert container.external_id.encode() in await received(client, b"]\n")
            await client.send(request("POST", "/v1.41/containers/create"))
            assert b"HTTP/1.1 403" in await received(client, b"}\n")

    run_async(scenario)
    entry = AuditEntry.all_objects.get(event="host.dockerSocket")
    assert (entry.code, entry.target, entry.account.login) == ("200", container.host_id, "alice")
    assert becomes_true(lambda: not threads_named("docker-api"))


async def enter(url: str, other: str, container: Container) -> WebSocketClient:
    """A connection that `cat` has taken over; it was created on another one, as Docker's client does."""
    async with WebSocketClient(other, {}) as first:
        await first.send(request("POST", f"/containers/{container.external_id}/exec", EXEC))
        key = (await received(first, b"}\n")).partition(b'"Id": "')[2].partition(b'"')[0].decode()
    client = WebSocketClient(url, {})
    assert await client.open()
    await client.send(request("POST", f"/exec/{key}/start", b"{}", b"Connection: Upgrade\r\nUpgrade: tcp\r\n"))
    await received(client, b"101 UPGRADED")
    return client


def test_a_command_reads_what_is_typed(path: Any, container: Container, sim: SimulatedDriver):
    url, other = path(), path()

    async def scenario() -> None:
        client = await enter(url, other, container)
        await client.send(base64.b64encode(b"typed").decode())
        assert (await received(client, b"typed")).endswith(b"\1\0\0\0\0\0\0\5typed")
        await client.disconnect()

    run_async(scenario)
    assert AuditEntry.all_objects.get(event="container.shell").request["api"] == "docker"
    assert becomes_true(lambda: not threads_named("docker-api"))


def test_what_is_larger_than_a_frame_comes_in_several(path: Any, container: Container, sim: SimulatedDriver):
    for _ in range(20):
        sim.write_log(container.external_id, "x" * 10_000)
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            await client.send(request("GET", f"/containers/{container.external_id}/logs?stdout=1"))
            assert len(await received(client, b"0\r\n\r\n")) > 200_000

    run_async(scenario)


def test_whom_the_permission_is_taken_from_is_put_out_of_a_command(
    path: Any, container: Container, sim: SimulatedDriver, actor_of: Any, people: Any, lab: Environment
):
    url, other = path(), path()
    members = [
        {"externalId": f"1a{people.root.pk}", "externalIdType": "rancher_id", "role": "owner"},
        {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "member"},
    ]

    async def scenario() -> None:
        client = await enter(url, other, container)
        await asyncio.to_thread(members_set, lab, members, actor=actor_of_root)
        assert await client.code() == 4403

    actor_of_root = actor_of("root")
    run_async(scenario)
    assert becomes_true(lambda: not threads_named("docker-api"))


@pytest.mark.parametrize(
    ("name", "verb", "expected"),
    [
        ("bob", "dockersocket", 4403),
        ("rita", "dockersocket", 4403),
        ("mallory", "dockersocket", 4404),
        ("alice", "exec", 4401),
    ],
)
def test_others_are_turned_away(path: Any, sim: SimulatedDriver, name: str, verb: str, expected: int):
    url, before = path(name, verb), sim.calls.copy()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            assert await client.code() == expected

    run_async(scenario)
    assert sim.calls == before


def test_a_ticket_works_once_and_a_session_is_none(path: Any, people: Any, container: Container, sim: SimulatedDriver):
    url, headers = path(), session_headers(people.alice)

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as first:
            await first.send(request("GET", "/_ping"))
            await received(first, b"OK")
            async with WebSocketClient(url, {}) as second:
                assert await second.code() == 4401
        async with WebSocketClient(f"/v1/dockersocket/?host={container.host_id}", headers) as third:
            assert await third.code() == 4404

    run_async(scenario)


@pytest.mark.parametrize(("frame", "code"), [("no base64!", 1003), ("a" * 1_000_004, 1009)])
def test_a_frame_that_is_none_ends_the_connection(path: Any, sim: SimulatedDriver, frame: str, code: int):
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            await client.send(frame)
            assert await client.code() == code

    run_async(scenario)


def test_what_is_no_http_is_refused_and_the_connection_ends(path: Any, sim: SimulatedDriver):
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            await client.send(base64.b64encode(b"hello\r\n\r\n").decode())
            await received(client, b"not understood")
            assert await client.code() == 1000

    run_async(scenario)


def test_a_connection_passes_a_bounded_number_of_bytes(path: Any, sim: SimulatedDriver, monkeypatch: Any):
    monkeypatch.setattr(docker_socket, "MAX_BYTES", 100)
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            await client.send(request("GET", "/info"))
            assert await client.code() == 1000

    run_async(scenario)


def test_an_error_of_ours_closes_the_socket(path: Any, sim: SimulatedDriver, monkeypatch: Any):
    def fail(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("apps.containers.docker_api.connection.parse_docker_request", fail)
    url = path()

    async def scenario() -> None:
        async with WebSocketClient(url, {}) as client:
            await client.send(request("GET", "/info"))
            assert await client.code() == 1011

    run_async(scenario)
