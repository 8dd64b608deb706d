"""Who may open a socket, and the close codes of rejections."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.services import account_act, key_create
from apps.containers.models import Container
from apps.environments.models import Environment, SocketTicket
from apps.environments.services import (
    environment_create,
    environment_key_create,
    members_set,
    ticket_issue,
)
from apps.realtime import base_socket
from tests.realtime.scripted_engine import ScriptedEngine
from tests.realtime.websocket_client import (
    ORIGIN,
    WebSocketClient,
    basic_headers,
    run_async,
    session_headers,
)

pytestmark = pytest.mark.django_db(transaction=True)

FOREIGN = [
    "http://evil.test",
    "http://portal.test:8081",
    "http://portal.test.evil.test",
    "https://portal.test@evil.test",
    "file://portal.test",
    "null",
    "http://[",
]


def refused(path: str, headers: dict[str, str]) -> int | None:
    """The code with which the portal closes; None when the handshake itself is refused."""
    codes: list[int | None] = []

    async def scenario() -> None:
        websocket_client = WebSocketClient(path, headers)
        codes.append(await websocket_client.code() if await websocket_client.open() else None)
        await websocket_client.disconnect()

    run_async(scenario)
    return codes[0]


def welcomed(path: str, headers: dict[str, str]) -> bool:
    """Whether the socket sends anything."""

    async def scenario() -> None:
        async with WebSocketClient(path, headers) as websocket_client:
            assert (await websocket_client.frame())["type"] == "websocket.send"

    run_async(scenario)
    return True


def test_a_member_in_a_browser_receives_events(people: Any, lab: Environment) -> None:
    assert welcomed(f"/ws/events?environment={lab.pk}", session_headers(people.rita))


def test_a_wire_id_names_the_environment_too(people: Any, lab: Environment) -> None:
    assert welcomed(f"/ws/events?environment=1a{lab.pk}", session_headers(people.rita))


def test_an_anonymous_caller_is_asked_to_log_in(lab: Environment) -> None:
    assert refused(f"/ws/events?environment={lab.pk}", {"origin": ORIGIN}) == 4401


def test_an_unknown_session_is_rejected(lab: Environment) -> None:
    headers = {"origin": ORIGIN, "cookie": "corral_session=abcdefghijklmnop"}
    assert refused(f"/ws/events?environment={lab.pk}", headers) == 4401


def test_a_page_of_another_site_does_not_get_a_handshake(people: Any, lab: Environment) -> None:
    headers = session_headers(people.alice)
    for origin in FOREIGN:
        assert refused(f"/ws/events?environment={lab.pk}", {**headers, "origin": origin}) is None, origin


def test_a_page_of_another_site_does_not_get_in_with_a_key_either(people: Any, lab: Environment, actor_of: Any) -> None:
    made = key_create(actor=actor_of("alice"), account=people.alice)
    assert refused(f"/ws/events?environment={lab.pk}", {**basic_headers(made), "origin": "http://evil.test"}) is None


def test_a_trusted_origin_is_ours(people: Any, lab: Environment, settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://front.test", "https://*.site.test"]
    path, headers = f"/ws/events?environment={lab.pk}", session_headers(people.alice)
    for origin in ("https://front.test", "https://a.site.test"):
        assert welcomed(path, {**headers, "origin": origin}), origin
    for origin in ("http://front.test", "https://a.site.test.evil.test", "https://x.front.test"):
        assert refused(path, {**headers, "origin": origin}) is None, origin


def test_a_name_that_is_not_the_portals_is_refused(people: Any, lab: Environment) -> None:
    headers = {**session_headers(people.alice), "host": "rebound.test", "origin": "http://rebound.test"}
    assert refused(f"/ws/events?environment={lab.pk}", headers) is None


def test_a_cookie_without_an_origin_counts_for_nothing(people: Any, lab: Environment) -> None:
    headers = {"cookie": session_headers(people.alice)["cookie"]}
    assert refused(f"/ws/events?environment={lab.pk}", headers) == 4401


def test_an_address_that_is_no_socket_is_refused(people: Any) -> None:
    assert refused("/ws/nothing", session_headers(people.alice)) is None


def test_a_foreign_environment_is_not_there(people: Any, lab: Environment) -> None:
    assert refused(f"/ws/events?environment={lab.pk}", session_headers(people.mallory)) == 4404


def test_a_foreign_container_is_not_there(people: Any, container: Container, engine: ScriptedEngine) -> None:
    headers = session_headers(people.mallory)
    for path in ("logs", "shell", "stats"):
        assert refused(f"/ws/{path}?container={container.pk}", headers) == 4404, path
    assert engine.calls == []


def test_a_container_that_does_not_exist_is_not_there(people: Any) -> None:
    headers = session_headers(people.alice)
    for name in ("", "0", "x", "-1", "99999999999999999999999", "1i999999", "٣"):
        assert refused(f"/ws/logs?container={name}", headers) == 4404, name


def test_a_foreign_host_is_not_there(people: Any, container: Container, engine: ScriptedEngine) -> None:
    assert refused(f"/ws/stats?host={container.host_id}", session_headers(people.mallory)) == 4404


def test_the_sites_events_are_for_administrators(people: Any) -> None:
    assert welcomed("/ws/events", session_headers(people.root))
    assert refused("/ws/events", session_headers(people.alice)) == 4403


def test_who_may_only_read_follows_logs_but_gets_no_shell(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            assert await websocket_client.is_silent(0.1)

    run_async(scenario)
    assert refused(f"/ws/shell?container={container.pk}", session_headers(people.rita)) == 4403
    assert [calls[0] for calls in engine.calls] == ["logs"]


def test_a_key_without_a_browser_gets_in(people: Any, lab: Environment, actor_of: Any) -> None:
    made = key_create(actor=actor_of("alice"), account=people.alice)
    assert welcomed(f"/ws/events?environment={lab.pk}", basic_headers(made))


def test_an_invalid_key_is_rejected(lab: Environment) -> None:
    for header in ("Basic !!!", "Basic", "Bearer abc", "Basic YTpi", "Basic /w=="):
        assert refused(f"/ws/events?environment={lab.pk}", {"authorization": header}) == 4401, header


def test_an_environment_key_sees_its_own_environment_only(people: Any, lab: Environment, actor_of: Any) -> None:
    other = environment_create(actor=actor_of("alice"), name="Other")
    made = environment_key_create(environment=other, actor=actor_of("alice"))
    assert welcomed(f"/ws/events?environment={other.pk}", basic_headers(made))
    assert refused(f"/ws/events?environment={lab.pk}", basic_headers(made)) == 4404


def ticket(actor: Any, container: Container, verb: str = "logs", **details: Any) -> str:
    return ticket_issue(
        actor=actor,
        environment_id=container.environment_id,
        verb=verb,
        kind="container",
        target=container.pk,
        details=details,
    )


def test_a_ticket_opens_one_socket_once(container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    token = ticket(actor_of("bob"), container)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?ticket={token}", {}) as websocket_client:
            assert await websocket_client.is_silent(0.1)

    run_async(scenario)
    assert refused(f"/ws/logs?ticket={token}", {}) == 4401


def test_a_bad_ticket_is_not_healed_by_a_good_session(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    assert refused(f"/ws/logs?container={container.pk}&ticket=nonsense", session_headers(people.alice)) == 4401


def test_a_ticket_for_logs_opens_no_shell(container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    assert refused(f"/ws/shell?ticket={ticket(actor_of('bob'), container)}", {}) == 4401


def test_a_ticket_for_one_container_opens_no_other(container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    assert refused(f"/ws/logs?container={container.pk + 1}&ticket={ticket(actor_of('bob'), container)}", {}) == 4404


def test_a_ticket_is_good_for_half_a_minute(container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    token = ticket(actor_of("bob"), container)
    SocketTicket.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert refused(f"/ws/logs?ticket={token}", {}) == 4401


def test_a_ticket_gives_no_more_than_its_holder_has_now(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    token = ticket(actor_of("bob"), container, "exec")
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    reader = {"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "readonly"}
    members_set(lab, [owner, reader], actor=actor_of("alice"))
    assert refused(f"/ws/shell?ticket={token}", {}) == 4403


def test_a_deactivated_account_is_rejected(people: Any, lab: Environment, actor_of: Any) -> None:
    headers = session_headers(people.bob)
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert refused(f"/ws/events?environment={lab.pk}", headers) == 4401


def test_one_account_does_not_use_up_the_sockets_of_all(
    people: Any, lab: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_socket, "MAX_SOCKETS_PER_ACCOUNT", 2)
    path = f"/ws/events?environment={lab.pk}"
    bob, rex = session_headers(people.bob), session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(path, bob), WebSocketClient(path, rex):
            async with WebSocketClient(path, bob) as second:
                assert (await second.frame())["type"] == "websocket.send"
                async with WebSocketClient(path, bob) as third:
                    assert await third.code() == 4403
            async with WebSocketClient(path, bob) as reopened:
                assert (await reopened.frame())["type"] == "websocket.send"

    run_async(scenario)


def test_bad_credentials_of_a_program_get_a_401_and_those_of_a_browser_a_close_code(lab: Environment) -> None:
    async def first_frame(headers: dict[str, str]) -> dict[str, Any]:
        path = f"/ws/events?environment={lab.pk}"
        client = WebSocketClient(path, headers, extensions={"websocket.http.response": {}})
        await client._communicator.send_input({"type": "websocket.connect"})
        frame = await client.frame()
        await client.disconnect()
        return frame

    async def scenario() -> None:
        refused_program = await first_frame({"authorization": "Basic YTpi"})
        assert (refused_program["type"], refused_program["status"]) == ("websocket.http.response.start", 401)
        assert (await first_frame({"origin": ORIGIN}))["type"] == "websocket.accept"

    run_async(scenario)
