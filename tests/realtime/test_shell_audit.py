"""The audit log records for every shell whether it was opened, and if not, why."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.services import key_create
from apps.containers.models import Container
from apps.containers.streams import DEFAULT_SHELL, KEYS_WITHIN, shell_verdict
from apps.control.audit.verify import verify
from apps.control.models import AuditEntry, AuditHead
from apps.core.errors import Invalid
from apps.core.hooks import hooks
from apps.drivers.base import EngineConflict, EngineDown
from apps.environments.models import Environment
from apps.environments.services import members_set, role_create, ticket_issue
from apps.realtime import base_socket
from tests.realtime.scripted_engine import ScriptedEngine
from tests.realtime.websocket_client import (
    WebSocketClient,
    basic_headers,
    becomes_true,
    run_async,
    session_headers,
)

pytestmark = pytest.mark.django_db(transaction=True)


def lines() -> list[AuditEntry]:
    return list(AuditEntry.all_objects.filter(event__startswith="container.shell"))


def the_line() -> AuditEntry:
    """The only entry, once it has an answer."""
    assert becomes_true(lambda: any(row.answer_number for row in lines()))
    (found,) = lines()
    return found


def try_it(path: str, headers: dict[str, str]) -> int:
    """Ask for a shell that is refused; returns the close code."""
    found: list[int] = []

    async def scenario() -> None:
        async with WebSocketClient(path, headers) as websocket_client:
            found.append(await websocket_client.code())

    run_async(scenario)
    return found[0]


def test_a_shell_that_was_opened_is_written_down_as_done(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    headers = session_headers(people.rex)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            engine.session.feed(b"$ ")
            await websocket_client.frame()

    run_async(scenario)
    entry = the_line()
    assert (entry.account_id, entry.target, entry.environment_id) == (
        people.rex.pk,
        container.pk,
        container.environment_id,
    )
    assert (entry.request, entry.code, entry.response) == ({"command": DEFAULT_SHELL}, "200", {})


def test_the_line_is_there_before_the_engine_is_asked(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def fake_reconcile(*_args: Any, **_more: Any) -> Any:
        seen.append(len(lines()))
        return engine.session

    monkeypatch.setattr(engine, "exec", fake_reconcile)
    engine.session.finish()
    try_it(f"/ws/shell?container={container.pk}", session_headers(people.rex))
    assert seen == [1]
    assert the_line().code == "200"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineConflict("container is not running"), "409"),
        (EngineDown("h1 does not answer"), "502"),
        (Invalid("privileged", "PolicyViolation", "web may not be entered by a shell"), "422"),
    ],
)
def test_what_was_not_opened_is_written_down_as_refused_with_the_reason(
    error: Any, code: str, people: Any, container: Container, engine: ScriptedEngine
) -> None:
    engine.error = error
    assert try_it(f"/ws/shell?container={container.pk}&command=ls", session_headers(people.rex)) == 1000
    entry = the_line()
    assert (entry.code, entry.response) == (code, {"message": str(error)})
    assert (entry.account_id, entry.request) == (people.rex.pk, {"command": ["ls"]})
    assert engine.calls == []


def test_the_host_policy_s_refusal_is_written_down(people: Any, container: Container, engine: ScriptedEngine) -> None:
    container.spec = {**container.spec, "privileged": True}
    container.save()
    assert try_it(f"/ws/shell?container={container.pk}", session_headers(people.alice)) == 1000
    entry = the_line()
    assert (entry.code, entry.target) == ("422", container.pk)
    assert "may not be entered by a shell" in entry.response["message"]
    assert engine.calls == []


def test_a_container_that_is_nowhere_yet(people: Any, container: Container, engine: ScriptedEngine) -> None:
    Container.all_objects.update(external_id="")
    assert try_it(f"/ws/shell?container={container.pk}", session_headers(people.rex)) == 1000
    assert (the_line().code, engine.calls) == ("409", [])


def test_a_portal_that_fails_says_so_without_details(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_more: Any) -> Any:
        raise ValueError("secret")

    monkeypatch.setattr(engine, "exec", fail)
    assert try_it(f"/ws/shell?container={container.pk}", session_headers(people.rex)) == 1000
    assert (the_line().code, the_line().response) == ("500", {"message": "ValueError"})


def test_a_role_that_may_not_is_written_down_as_refused(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    assert try_it(f"/ws/shell?container={container.pk}", session_headers(people.rita)) == 4403
    entry = the_line()
    assert (entry.account_id, entry.code, entry.environment_id) == (people.rita.pk, "403", container.environment_id)
    assert entry.response == {"message": "Your role here may not do this."}
    assert engine.calls == []


def test_a_key_that_may_not_is_named(people: Any, container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    made = key_create(actor=actor_of("rita"), account=people.rita, name="looker")
    made.key.state = "active"
    made.key.save()
    assert try_it(f"/ws/shell?container={container.pk}", basic_headers(made)) == 4403
    assert (the_line().key_id, the_line().code) == (made.key.pk, "403")


def test_a_shell_beside_private_keys_needs_the_right_to_see_secrets(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(hooks, "holds_keys", lambda row: row.pk == container.pk)
    role_create(actor=actor_of("root"), name="runner", permissions=["exec", "logs"])
    listed = [
        {"externalId": f"1a{person.pk}", "externalIdType": "rancher_id", "role": name}
        for person, name in ((people.alice, "owner"), (people.bob, "runner"))
    ]
    members_set(lab, listed, actor=actor_of("root"))
    assert not shell_verdict(actor_of("bob"), container)
    assert shell_verdict(actor_of("alice"), container)
    assert try_it(f"/ws/shell?container={container.pk}", session_headers(people.bob)) == 4403
    assert the_line().response == {"message": KEYS_WITHIN}
    assert engine.calls == []


def test_one_connection_too_many_is_a_refusal_too(
    people: Any, container: Container, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_socket, "MAX_SOCKETS_PER_ACCOUNT", 0)
    assert try_it(f"/ws/shell?container={container.pk}", session_headers(people.rex)) == 4403
    assert (the_line().code, engine.calls) == ("403", [])


def test_what_the_caller_cannot_see_is_not_audited(people: Any, container: Container, engine: ScriptedEngine) -> None:
    assert try_it(f"/ws/shell?container={container.pk}", session_headers(people.mallory)) == 4404
    assert try_it(f"/ws/shell?container={container.pk}", {}) == 4401
    assert try_it("/ws/shell?container=999999", session_headers(people.rex)) == 4404
    assert lines() == []


def test_other_sockets_that_are_refused_write_nothing(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    before = AuditEntry.all_objects.count()
    assert try_it(f"/ws/logs?container={container.pk}", session_headers(people.mallory)) == 4404
    assert AuditEntry.all_objects.count() == before


def test_the_chain_holds(people: Any, container: Container, engine: ScriptedEngine, actor_of: Any) -> None:
    ticket = ticket_issue(
        actor=actor_of("rex"),
        environment_id=container.environment_id,
        verb="exec",
        kind="container",
        target=container.pk,
    )
    engine.error = EngineConflict("container is not running")
    assert try_it(f"/v1/exec/?token={ticket}", {}) == 1000
    assert the_line().code == "409"
    assert AuditHead.objects.filter(environment_number=container.environment_id).exists()
    assert not verify(container.environment_id).faults
