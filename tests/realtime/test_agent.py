"""The tunnel of an agent: authentication, announcement, engine calls, loss, recovery, and closing with its host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.control.reconcile import reconcile_one
from apps.core import events
from apps.drivers import registry
from apps.environments.models import Environment
from apps.hosts.models import (
    AgentCredential,
    Host,
    HostEvent,
    RegistrationToken,
)
from apps.hosts.selectors import driver_of, endpoint_of
from apps.hosts.services import host_act, token_create
from apps.hosts.tunnels import open_tunnels
from tests.realtime.fake_agent import FakeAgent, make_agent, wait_until
from tests.realtime.websocket_client import WebSocketClient, run_async

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(lab: Environment, actor_of: Callable[..., Any]) -> RegistrationToken:
    row = token_create(actor=actor_of("alice"), environment=lab)
    reconcile_one("registrationToken", row.pk)
    events._publisher._drain()
    return row


@pytest.fixture
def agent(token: RegistrationToken) -> Any:
    yield make_agent(token)
    for row in Host.all_objects.all():
        registry.discard_driver(endpoint_of(row))


def claim_the_engine() -> Host:
    """As if the loop had asked the engine for its id: before, nothing is requested of it."""
    Host.all_objects.update(engine_id="an engine")
    return the_host()


def the_host() -> Host:
    row: Host = Host.all_objects.get()
    return row


def reconciled_host() -> Host:
    """The host after it has been reconciled."""
    reconcile_one("host", the_host().pk)
    return the_host()


def in_thread(call: Callable[[], Any]) -> Any:
    return sync_to_async(call, thread_sensitive=False)()


def is_socket(path: str) -> bool:
    return Path(path).is_socket()


def mode_of_folder(path: str) -> int:
    return Path(path).parent.stat().st_mode & 0o777


async def connect_and_wait(agent: FakeAgent) -> Any:
    """A connected agent whose tunnel is announced."""
    agent.answers.requests.clear()
    line = await agent.connect()
    await wait_until(lambda: any(requests.startswith("GET /events") for requests in agent.answers.requests))
    return line


def test_a_connected_agent_makes_its_host_active(agent: FakeAgent) -> None:
    agent.answers.machine = {"cpuInfo": {"loadAvg": [0.1, 0.2, 0.3]}, "diskInfo": {"mountPoints": {"/": {"total": 9}}}}

    async def scenario() -> None:
        assert (await in_thread(reconciled_host)).display_state == "registering"
        line = await connect_and_wait(agent)
        host = await in_thread(reconciled_host)
        assert (host.display_state, host.engine_id, host.hostname) == ("active", "ENGINE:1", "h1")
        assert host.info["cpuInfo"] == {"loadAvg": [0.1, 0.2, 0.3], "modelName": "x86_64", "count": 2}
        assert host.info["diskInfo"]["mountPoints"]["/"]["total"] == 9
        assert host.all_labels == {
            "zone": "a",
            "io.rancher.host.docker_version": "20.10",
            "io.rancher.host.linux_kernel_version": "6.1",
            "io.rancher.host.os": "Debian GNU/Linux 12",
        }
        assert (host.agent["version"], host.address) == ("0.1.0", "10.9.8.7")
        await line.drop_connection()

    run_async(scenario)


def test_the_tunnels_end_is_for_the_portals_user_only_and_goes_with_it(agent: FakeAgent) -> None:
    async def scenario() -> None:
        line = await connect_and_wait(agent)
        path = (await in_thread(the_host)).tunnel_socket
        assert is_socket(path)
        assert mode_of_folder(path) == 0o700
        driver = await in_thread(lambda: driver_of(reconciled_host()))
        assert driver in registry._drivers.values()
        await line.drop_connection()
        await wait_until(lambda: not is_socket(path))
        await wait_until(lambda: not open_tunnels.find_tunnel(str(the_uuid)))
        await wait_until(lambda: driver not in registry._drivers.values())

    the_uuid = the_host().uuid
    run_async(scenario)


def test_a_broken_line_is_reconnecting_at_once_and_heals(agent: FakeAgent) -> None:
    async def scenario() -> None:
        line = await connect_and_wait(agent)
        assert (await in_thread(reconciled_host)).display_state == "active"
        await line.drop_connection()
        await wait_until(lambda: open_tunnels.find_tunnel(uuid) is None)
        host = await in_thread(lambda: becomes_true(lambda row: row.gateway == ""))
        assert host.next_attempt_at <= timezone.now()
        host = await in_thread(reconciled_host)
        assert (host.display_state, host.message) == (
            "reconnecting",
            "The engine does not answer: The host's agent is not connected.",
        )
        second_connection = await connect_and_wait(agent)
        host = await in_thread(reconciled_host)
        assert (host.display_state, host.lost_at) == ("active", None)
        await second_connection.drop_connection()

    uuid = str(the_host().uuid)
    run_async(scenario)


def becomes_true(true: Callable[[Host], bool], seconds: float = 30) -> Host:
    end = time.monotonic() + seconds
    while not true(row := the_host()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return row


def test_an_engine_that_is_away_behind_its_agent_is_reconnecting(agent: FakeAgent) -> None:
    async def scenario() -> None:
        line = await connect_and_wait(agent)
        assert (await in_thread(reconciled_host)).display_state == "active"
        agent.answers.is_up = False
        agent.answers.events.put_nowait(None)
        await asyncio.sleep(0.05)
        host = await in_thread(reconciled_host)
        assert (host.display_state, host.gateway != "") == ("reconnecting", True)
        assert "the engine is away" in host.message
        agent.answers.is_up = True
        agent.answers.requests.clear()
        await wait_until(lambda: any(requests.startswith("GET /events") for requests in agent.answers.requests))
        assert (await in_thread(reconciled_host)).display_state == "active"
        await line.drop_connection()

    run_async(scenario)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer x"}, {"authorization": "Basic !"}]
)
def test_without_a_credential_the_agent_is_rejected(headers: dict[str, str], people: Any) -> None:
    async def scenario() -> None:
        websocket_client = WebSocketClient("/v1/agent", headers)
        assert await websocket_client.open()
        assert await websocket_client.code() == 4401
        await websocket_client.disconnect()

    run_async(scenario)


def test_a_page_in_a_browser_is_no_agent(agent: FakeAgent) -> None:
    async def scenario() -> None:
        websocket_client = WebSocketClient("/v1/agent", {**agent.headers, "origin": "http://portal.test"})
        assert await websocket_client.open()
        assert await websocket_client.code() == 4401
        await websocket_client.disconnect()

    run_async(scenario)


def test_an_agent_with_another_key_than_it_registered_gets_no_tunnel(agent: FakeAgent) -> None:
    async def scenario() -> None:
        agent.key = asyncssh.generate_private_key("ssh-ed25519")
        line = await agent.connect()
        assert await line.close_code() == 1011
        assert open_tunnels.find_tunnel(uuid) is None
        assert (await in_thread(reconciled_host)).display_state == "registering"
        await line.drop_connection()

    uuid = str(the_host().uuid)
    run_async(scenario)


def test_an_agent_that_pins_another_portal_refuses_ours(agent: FakeAgent) -> None:
    async def scenario() -> None:
        agent.pinned = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        line = await agent.connect()
        assert await line.close_code() == 1011
        assert agent.refused == ["corral"]
        await line.drop_connection()

    run_async(scenario)


def test_a_second_tunnel_of_a_host_replaces_the_first(agent: FakeAgent) -> None:
    async def scenario() -> None:
        first = await connect_and_wait(agent)
        socket = (await in_thread(the_host)).tunnel_socket
        second = await connect_and_wait(agent)
        assert await first.close_code() == 4409
        await wait_until(lambda: not is_socket(socket))
        host = await in_thread(reconciled_host)
        assert (host.display_state, is_socket(host.tunnel_socket)) == ("active", True)
        assert host.tunnel_socket != socket
        await first.drop_connection()
        await second.drop_connection()

    run_async(scenario)


def test_removing_the_host_closes_its_tunnel_and_ends_its_credential(agent: FakeAgent, actor_of: Any) -> None:
    async def scenario() -> None:
        line = await connect_and_wait(agent)
        await in_thread(reconciled_host)

        def remove() -> None:
            for action in ("deactivate", "remove"):
                host_act(the_host(), action, actor=actor_of("alice"))
                reconcile_one("host", the_host().pk)

        await in_thread(remove)
        assert (await in_thread(the_host)).display_state == "removed"
        assert await line.close_code(2) == 4401
        await line.drop_connection()
        websocket_client = WebSocketClient("/v1/agent", agent.headers)
        assert await websocket_client.open()
        assert await websocket_client.code() == 4401
        await websocket_client.disconnect()

    run_async(scenario)


def test_registering_again_ends_the_older_credential_and_its_tunnel(agent: FakeAgent, token: RegistrationToken) -> None:
    async def scenario() -> None:
        line = await connect_and_wait(agent)
        newer = await in_thread(lambda: make_agent(token))
        assert await line.close_code(2) == 4401
        await line.drop_connection()
        second_connection = await connect_and_wait(newer)
        assert (await in_thread(reconciled_host)).display_state == "active"
        await second_connection.drop_connection()

    run_async(scenario)
    assert (Host.all_objects.count(), AgentCredential.objects.count()) == (1, 2)


def test_the_clocks_difference_is_known_and_times_are_corrected(agent: FakeAgent) -> None:
    agent.answers.clock = lambda: time.time() + 300
    agent.answers.journal = [{"seq": 1, "at": time.time() + 300, "kind": "agent", "action": "started", "id": ""}]

    async def scenario() -> None:
        line = await connect_and_wait(agent)
        await in_thread(lambda: becomes_true(lambda row: row.journal_seq == 1))
        await line.drop_connection()

    run_async(scenario)
    assert abs(the_host().skew - 300) < 1
    event = HostEvent.objects.get()
    assert abs((event.at - timezone.now()).total_seconds()) < 5
    assert not event.is_late


def test_events_requeue_what_they_are_about_and_have_the_journal_read(agent: FakeAgent) -> None:
    async def scenario() -> None:
        line = await connect_and_wait(agent)
        await in_thread(reconciled_host)
        await asyncio.sleep(0.3)  # what the tunnel itself had to say is said
        await in_thread(lambda: Host.all_objects.update(next_attempt_at=None))
        agent.answers.journal = [
            {
                "seq": n,
                "at": time.time(),
                "kind": "container",
                "action": "start",
                "id": "c0ffee",
                "attributes": {"name": "web"},
            }
            for n in (1, 2, 3)
        ]
        event = {"Type": "container", "Action": "start", "time": 1, "Actor": {"ID": "c0ffee", "Attributes": {}}}
        agent.answers.events.put_nowait(event)
        await in_thread(lambda: becomes_true(lambda row: row.journal_seq == 3))
        assert (await in_thread(the_host)).next_attempt_at is not None  # an unknown container has its host scanned
        await line.drop_connection()

    run_async(scenario)
    assert [(e.seq, e.action, e.name, e.subject) for e in HostEvent.objects.order_by("seq")] == [
        (n, "start", "web", "c0ffee") for n in (1, 2, 3)
    ]


def test_the_engine_is_used_through_the_tunnel_like_any_other(agent: FakeAgent) -> None:
    agent.answers.containers = [
        {"Id": "c0ffee", "Names": ["/web"], "Image": "nginx", "ImageID": "sha256:1", "State": "running", "Labels": {}}
    ]

    async def scenario() -> None:
        line = await connect_and_wait(agent)

        def use() -> list[str]:
            claim_the_engine()
            engine = driver_of(the_host())
            return [container.name for container in engine.containers()]

        assert await in_thread(use) == ["web"]
        await line.drop_connection()

    run_async(scenario)


def test_a_dead_holders_lease_runs_out(agent: FakeAgent) -> None:
    from apps.hosts.watch import Gateway

    Host.all_objects.update(
        gateway="tun-dead",
        gateway_until=timezone.now() - timedelta(seconds=1),
        tunnel_socket="/gone",
        next_attempt_at=None,
    )
    Gateway().run_once()
    host = the_host()
    assert (host.gateway, host.tunnel_socket) == ("", "")
    assert host.next_attempt_at is not None


def test_another_process_reaches_the_host_through_the_holders_relay(
    agent: FakeAgent, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TUNNEL_HOST, settings.TUNNEL_BIND = "127.0.0.1", "127.0.0.1"

    def elsewhere() -> list[Any]:
        """As a process without the tunnel, on a machine without its socket."""
        monkeypatch.setattr("apps.hosts.tunnels.dialer.open_tunnels.find_tunnel", lambda _key: None)
        monkeypatch.setattr("apps.hosts.tunnels.dialer.Path.exists", lambda _path: False)
        host = the_host()
        registry.discard_driver(endpoint_of(host))
        try:
            return driver_of(claim_the_engine()).containers()
        finally:
            monkeypatch.undo()
            registry.discard_driver(endpoint_of(host))

    async def scenario() -> None:
        line = await connect_and_wait(agent)
        host = await in_thread(lambda: becomes_true(lambda row: row.tunnel_address != ""))
        assert host.tunnel_address.startswith("127.0.0.1:")
        through = open_tunnels.find_tunnel
        calls: list[str] = []
        monkeypatch.setattr("apps.hosts.tunnels.relay_server.open_tunnels", Counting(through, calls))
        assert await in_thread(elsewhere) == []
        assert calls
        await line.drop_connection()

    run_async(scenario)


class Counting:
    """Stands for `open_tunnels` in the relay server, and counts its calls."""

    def __init__(self, through: Callable[[str], Any], calls: list[str]) -> None:
        self._through, self._calls = through, calls

    def find_tunnel(self, key: str) -> Any:
        self._calls.append(key)
        return self._through(key)
