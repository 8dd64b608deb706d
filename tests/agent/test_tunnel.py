"""An agent registers, dials out, accepts the portal and no other, and reconnects whatever ends the tunnel."""

from __future__ import annotations

import asyncio
import json
import socket
import stat

import asyncssh
import pytest

from corral_agent import VERSION, keys
from corral_agent.registration import CannotRegister
from corral_agent.tunnel import PortalTunnel, TunnelClosed
from tests.agent.fake_portal import SOCKET, public_key_text
from tests.agent.harness import AgentHarness, RunScenario


def test_an_agent_registers_and_answers_through_its_tunnel(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            answer = await harness.request("GET /corral/v1/hello HTTP/1.0")
        hello = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert hello["agent"] == VERSION
        assert hello["hostname"]
        assert (hello["simulated"], hello["readOnly"]) == (False, False)
        (body,) = harness.portal.registrations
        assert (body["hostname"], body["address"], body["labels"]) == ("box", "192.0.2.7", {"a": "b"})
        assert (body["engineId"], body["simulated"], body["agentVersion"]) == ("ENGINE:1", False, VERSION)
        assert body["publicKey"].startswith("ssh-ed25519 ")

    run_scenario(scenario)


def test_the_credential_travels_in_the_header_only_and_rests_in_a_file_for_the_owner(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            await harness.portal.tunnel()
        (dial,) = harness.portal.dial_requests
        assert dial["authorization"].startswith("Basic ")
        assert dial["path"] == "/v1/agent"
        path = harness.folder / "state" / "agent.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert harness.state["secret_key"] == "secret-1"
        assert harness.portal.token not in path.read_text()

    run_scenario(scenario)


def test_an_agent_that_is_started_again_does_not_register_again(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            await harness.portal.tunnel()
        async with harness.agent():
            await harness.portal.tunnel(2)
        async with harness.agent(""):
            await harness.portal.tunnel(3)
        assert len(harness.portal.registrations) == 1

    run_scenario(scenario)


def test_another_registration_url_registers_anew_with_the_same_key_of_its_own(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            await harness.portal.tunnel()
        harness.portal.token = "t0ken:2:def"
        async with harness.agent():
            await harness.portal.tunnel(2)
        first, second = harness.portal.registrations
        assert first["publicKey"] == second["publicKey"]
        assert first["key"] != second["key"]

    run_scenario(scenario)


def test_a_cut_tunnel_is_dialled_again(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            (await harness.portal.tunnel()).abort()
            await harness.portal.tunnel(2)
            await (await harness.portal.websocket(2)).close(1012)
            await harness.portal.tunnel(3)
            (await harness.portal.websocket(3)).transport.abort()
            await harness.portal.tunnel(4)
        assert len(harness.portal.registrations) == 1

    run_scenario(scenario)


def test_an_agent_waits_for_a_portal_that_is_away(run_scenario: RunScenario, caplog: pytest.LogCaptureFixture):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            await harness.portal.tunnel()
            await harness.portal.close_tunnels()
            await harness.portal.until(lambda: "the portal cannot be reached" in caplog.text.lower())
            await harness.portal.open_tunnels(harness.portal.port)
            await harness.portal.tunnel(2)

    run_scenario(scenario)


def test_a_revoked_credential_is_never_traded_for_a_new_one(
    run_scenario: RunScenario, caplog: pytest.LogCaptureFixture
):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            await harness.portal.tunnel()
            harness.portal.revoked.add("A1")
            await (await harness.portal.websocket()).close(4401)
            await harness.portal.until(lambda: len(harness.portal.dial_requests) >= 3)
            assert harness.state["refused"] is True
        assert len(harness.portal.registrations) == 1
        assert "removed there" in caplog.text
        async with harness.agent():  # started again, its URL still works
            await harness.portal.tunnel(2)
        assert harness.state["access_key"] == "A2"
        assert not harness.state["refused"]

    run_scenario(scenario)


def test_a_refused_agent_whose_url_has_expired_says_so_and_stays(
    run_scenario: RunScenario, caplog: pytest.LogCaptureFixture
):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            await harness.portal.tunnel()
            harness.portal.revoked.add("A1")
            await (await harness.portal.websocket()).close(4401)
            await harness.portal.until(lambda: harness.state["refused"])
        url, harness.portal.token = harness.portal.url, "another"
        dial_requests = len(harness.portal.dial_requests)
        async with harness.agent(url):
            await harness.portal.until(lambda: len(harness.portal.dial_requests) > dial_requests)
        assert "copy a new command" in caplog.text
        assert "previous credential" in caplog.text

    run_scenario(scenario)


def test_a_changed_portal_key_is_refused(run_scenario: RunScenario, caplog: pytest.LogCaptureFixture):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            (await harness.portal.tunnel()).abort()
            await harness.portal.tunnel(2)
            harness.portal.client_key = asyncssh.generate_private_key("ssh-ed25519")
            (await harness.portal.tunnel(2)).abort()
            await harness.portal.until(lambda: "the portal's key changed" in caplog.text.lower())
        assert len(harness.portal.tunnels) == 2

    caplog.set_level("WARNING")
    run_scenario(scenario)


@pytest.mark.parametrize("kind", ["another", "garbled", "rsa"])
def test_an_answer_with_another_key_than_the_scripts_is_refused(run_scenario: RunScenario, kind: str):
    async def scenario(harness: AgentHarness) -> None:
        harness.portal.answered_key = {
            "another": public_key_text(asyncssh.generate_private_key("ssh-ed25519")),
            "garbled": "ssh-ed25519 AAAA",
            "rsa": public_key_text(asyncssh.generate_private_key("ssh-rsa")),
        }[kind]
        async with harness.agent() as running:
            with pytest.raises(CannotRegister, match="Registration refused"):
                await asyncio.wait_for(running, 60)
        assert "secret" not in harness.state["access_key"]
        assert harness.portal.dial_requests == []

    run_scenario(scenario)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "copy a new command"), (404, "copy a new command"), (422, "as told"), (302, "HTTP status 302")],
)
def test_a_refused_registration_ends_the_agent_with_words(run_scenario: RunScenario, status: int, words: str):
    async def scenario(harness: AgentHarness) -> None:
        harness.portal.status = status
        async with harness.agent() as running:
            with pytest.raises(CannotRegister, match=words):
                await asyncio.wait_for(running, 60)

    run_scenario(scenario)


def test_a_portal_that_is_not_ready_is_asked_again(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        harness.portal.status = 503
        async with harness.agent():
            await harness.portal.until(lambda: harness.portal.answered >= 2)
            assert harness.portal.registrations == []
            harness.portal.status = 0
            await harness.portal.tunnel()

    run_scenario(scenario)


@pytest.mark.parametrize("missing", ["accessKey", "secretKey", "portalKey", "hostId", "tunnelUrl"])
def test_an_answer_without_what_is_needed_is_refused(run_scenario: RunScenario, missing: str):
    async def scenario(harness: AgentHarness) -> None:
        harness.portal.answer = lambda found: found | {missing: None}
        async with harness.agent() as running:
            with pytest.raises(CannotRegister, match="is not understood"):
                await asyncio.wait_for(running, 60)

    run_scenario(scenario)


def test_a_portal_that_logs_in_as_somebody_else_stays_out(run_scenario: RunScenario, monkeypatch: pytest.MonkeyPatch):
    async def scenario(harness: AgentHarness) -> None:
        ssh = harness.portal._ssh
        monkeypatch.setattr(harness.portal, "_ssh", lambda key: ssh(key) | {"username": "root"})
        async with harness.agent():
            await harness.portal.until(lambda: len(harness.portal.dial_requests) >= 2)
        assert harness.portal.tunnels == []

    run_scenario(scenario)


def test_the_tunnel_carries_nothing_but_the_engine(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            tunnel = await harness.portal.tunnel()
            for attempt in (
                lambda: tunnel.open_unix_connection("/etc/passwd"),
                lambda: tunnel.open_unix_connection(SOCKET + "/../x"),
                lambda: tunnel.open_connection("127.0.0.1", 22),
                lambda: tunnel.run("id", check=True),
                tunnel.create_process,
                tunnel.start_sftp_client,
            ):
                with pytest.raises((asyncssh.ChannelOpenError, asyncssh.SFTPError, asyncssh.ProcessError)):
                    await asyncio.wait_for(attempt(), 60)
            for forward in (
                tunnel.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1),
                tunnel.forward_remote_path(str(harness.folder / "x"), "/y"),
            ):
                with pytest.raises(asyncssh.ChannelListenError):
                    await asyncio.wait_for(forward, 60)
            assert b"200 OK" in await harness.request("GET /_ping HTTP/1.0")

    run_scenario(scenario)


def test_what_connects_is_recorded_in_the_journal(run_scenario: RunScenario):
    async def scenario(harness: AgentHarness) -> None:
        async with harness.agent():
            (await harness.portal.tunnel()).abort()
            await harness.portal.tunnel(2)
            answer = await harness.request("GET /corral/v1/journal?after=0&limit=1000 HTTP/1.0", 2)
        found = json.loads(answer.partition(b"\r\n\r\n")[2])
        actions = [line["action"] for line in found["events"]]
        assert actions[0] == "started"
        assert [word for word in actions if "connected" in word][:3] == ["connected", "disconnected", "connected"]
        assert [line["seq"] for line in found["events"]] == list(range(1, len(actions) + 1))

    run_scenario(scenario)


@pytest.mark.parametrize("ending", ["cancelled", "refused"])
def test_a_log_in_that_never_began_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch, ending: str):
    async def never(*_: object, **__: object) -> None:
        if ending == "refused":
            raise OSError("no")
        await asyncio.Event().wait()

    async def main() -> None:
        key = keys.create_private_key()
        tunnel = PortalTunnel(
            url="", credential=("A", "S"), private_key=key, portal_key=keys.public_key_line(key), tls=None
        )
        ours, theirs = socket.socketpair()
        with ours:
            speaking = asyncio.ensure_future(tunnel._session.run(theirs, lambda *_: asyncio.sleep(0), lambda: None))
            await asyncio.sleep(0)
            speaking.cancel()
            assert isinstance(
                (await asyncio.gather(speaking, return_exceptions=True))[0], (asyncio.CancelledError, TunnelClosed)
            )
            assert theirs.fileno() == -1

    monkeypatch.setattr(asyncssh, "run_server", never)
    asyncio.run(main())
