"""An agent registers, dials out, lets the portal in and nobody else, and comes back after every end."""

from __future__ import annotations

import asyncio
import json
import socket
import stat

import asyncssh
import pytest

from corral_agent import keys
from corral_agent.enroll import CannotRegister
from corral_agent.tunnel import Cut, Tunnel
from tests.agent.portal import SOCKET, public
from tests.agent.stage import Play, Stage


def test_an_agent_registers_and_answers_through_its_tunnel(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            answer = await stage.ask("GET /corral/v1/hello HTTP/1.0")
        hello = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert hello["agent"] == "0.1.0"
        assert hello["hostname"]
        assert (hello["simulated"], hello["readOnly"]) == (False, False)
        (body,) = stage.portal.registrations
        assert (body["hostname"], body["address"], body["labels"]) == ("box", "192.0.2.7", {"a": "b"})
        assert (body["engineId"], body["simulated"], body["agentVersion"]) == ("ENGINE:1", False, "0.1.0")
        assert body["publicKey"].startswith("ssh-ed25519 ")

    play(scene)


def test_the_credential_travels_in_the_header_only_and_rests_in_a_file_for_the_owner(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            await stage.portal.tunnel()
        (dial,) = stage.portal.dials
        assert dial["authorization"].startswith("Basic ")
        assert dial["path"] == "/v1/agent"
        path = stage.folder / "state" / "agent.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stage.state["secret_key"] == "secret-1"
        assert stage.portal.token not in path.read_text()

    play(scene)


def test_an_agent_that_is_started_again_does_not_register_again(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            await stage.portal.tunnel()
        async with stage.agent():
            await stage.portal.tunnel(2)
        async with stage.agent(""):
            await stage.portal.tunnel(3)
        assert len(stage.portal.registrations) == 1

    play(scene)


def test_another_registration_url_registers_anew_with_the_same_key_of_its_own(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            await stage.portal.tunnel()
        stage.portal.token = "t0ken:2:def"
        async with stage.agent():
            await stage.portal.tunnel(2)
        first, second = stage.portal.registrations
        assert first["publicKey"] == second["publicKey"]
        assert first["key"] != second["key"]

    play(scene)


def test_a_cut_tunnel_is_dialled_again(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            (await stage.portal.tunnel()).abort()
            await stage.portal.tunnel(2)
            await (await stage.portal.line(2)).close(1012)
            await stage.portal.tunnel(3)
            (await stage.portal.line(3)).transport.abort()
            await stage.portal.tunnel(4)
        assert len(stage.portal.registrations) == 1

    play(scene)


def test_an_agent_waits_for_a_portal_that_is_away(play: Play, caplog: pytest.LogCaptureFixture):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            await stage.portal.tunnel()
            await stage.portal.close_tunnels()
            await stage.portal.until(lambda: "the portal cannot be reached" in caplog.text.lower())
            await stage.portal.open_tunnels(stage.portal.port)
            await stage.portal.tunnel(2)

    play(scene)


def test_a_revoked_credential_is_never_traded_for_a_new_one(play: Play, caplog: pytest.LogCaptureFixture):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            await stage.portal.tunnel()
            stage.portal.revoked.add("A1")
            await (await stage.portal.line()).close(4401)
            await stage.portal.until(lambda: len(stage.portal.dials) >= 3)
            assert stage.state["refused"] is True
        assert len(stage.portal.registrations) == 1
        assert "removed there" in caplog.text
        async with stage.agent():  # started anew, its URL still works
            await stage.portal.tunnel(2)
        assert stage.state["access_key"] == "A2"
        assert not stage.state["refused"]

    play(scene)


def test_a_refused_agent_whose_url_has_expired_says_so_and_stays(play: Play, caplog: pytest.LogCaptureFixture):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            await stage.portal.tunnel()
            stage.portal.revoked.add("A1")
            await (await stage.portal.line()).close(4401)
            await stage.portal.until(lambda: stage.state["refused"])
        url, stage.portal.token = stage.portal.url, "another"
        dials = len(stage.portal.dials)
        async with stage.agent(url):
            await stage.portal.until(lambda: len(stage.portal.dials) > dials)
        assert "copy a new command" in caplog.text
        assert "credential of before" in caplog.text

    play(scene)


def test_a_changed_portal_key_is_refused(play: Play, caplog: pytest.LogCaptureFixture):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            (await stage.portal.tunnel()).abort()
            await stage.portal.tunnel(2)
            stage.portal.client_key = asyncssh.generate_private_key("ssh-ed25519")
            (await stage.portal.tunnel(2)).abort()
            await stage.portal.until(lambda: "the portal's key changed" in caplog.text.lower())
        assert len(stage.portal.tunnels) == 2

    caplog.set_level("WARNING")
    play(scene)


@pytest.mark.parametrize("kind", ["another", "garbled", "rsa"])
def test_an_answer_with_another_key_than_the_scripts_is_refused(play: Play, kind: str):
    async def scene(stage: Stage) -> None:
        stage.portal.answered_key = {
            "another": public(asyncssh.generate_private_key("ssh-ed25519")),
            "garbled": "ssh-ed25519 AAAA",
            "rsa": public(asyncssh.generate_private_key("ssh-rsa")),
        }[kind]
        async with stage.agent() as running:
            with pytest.raises(CannotRegister, match="Registration refused"):
                await asyncio.wait_for(running, 60)
        assert "secret" not in stage.state["access_key"]
        assert stage.portal.dials == []

    play(scene)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "copy a new command"), (404, "copy a new command"), (422, "as told"), (302, "HTTP status 302")],
)
def test_a_refused_registration_ends_the_agent_with_words(play: Play, status: int, words: str):
    async def scene(stage: Stage) -> None:
        stage.portal.status = status
        async with stage.agent() as running:
            with pytest.raises(CannotRegister, match=words):
                await asyncio.wait_for(running, 60)

    play(scene)


def test_a_portal_that_is_not_ready_is_asked_again(play: Play):
    async def scene(stage: Stage) -> None:
        stage.portal.status = 503
        async with stage.agent():
            await stage.portal.until(lambda: stage.portal.answered >= 2)
            assert stage.portal.registrations == []
            stage.portal.status = 0
            await stage.portal.tunnel()

    play(scene)


@pytest.mark.parametrize("missing", ["accessKey", "secretKey", "portalKey", "hostId", "tunnelUrl"])
def test_an_answer_without_what_is_needed_is_refused(play: Play, missing: str):
    async def scene(stage: Stage) -> None:
        stage.portal.answer = lambda found: found | {missing: None}
        async with stage.agent() as running:
            with pytest.raises(CannotRegister, match="is not understood"):
                await asyncio.wait_for(running, 60)

    play(scene)


def test_a_portal_that_logs_in_as_somebody_else_stays_out(play: Play, monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        ssh = stage.portal._ssh
        monkeypatch.setattr(stage.portal, "_ssh", lambda key: ssh(key) | {"username": "root"})
        async with stage.agent():
            await stage.portal.until(lambda: len(stage.portal.dials) >= 2)
        assert stage.portal.tunnels == []

    play(scene)


def test_the_tunnel_carries_nothing_but_the_engine(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            tunnel = await stage.portal.tunnel()
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
                tunnel.forward_remote_path(str(stage.folder / "x"), "/y"),
            ):
                with pytest.raises(asyncssh.ChannelListenError):
                    await asyncio.wait_for(forward, 60)
            assert b"200 OK" in await stage.ask("GET /_ping HTTP/1.0")

    play(scene)


def test_what_connects_is_told_in_the_journal(play: Play):
    async def scene(stage: Stage) -> None:
        async with stage.agent():
            (await stage.portal.tunnel()).abort()
            await stage.portal.tunnel(2)
            answer = await stage.ask("GET /corral/v1/journal?after=0&limit=1000 HTTP/1.0", 2)
        found = json.loads(answer.partition(b"\r\n\r\n")[2])
        actions = [line["action"] for line in found["events"]]
        assert actions[0] == "started"
        assert [word for word in actions if "connected" in word][:3] == ["connected", "disconnected", "connected"]
        assert [line["seq"] for line in found["events"]] == list(range(1, len(actions) + 1))

    play(scene)


@pytest.mark.parametrize("ending", ["cancelled", "refused"])
def test_a_log_in_that_never_began_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch, ending: str):
    async def never(*_: object, **__: object) -> None:
        if ending == "refused":
            raise OSError("no")
        await asyncio.Event().wait()

    async def main() -> None:
        key = keys.make()
        tunnel = Tunnel(url="", credential=("A", "S"), private_key=key, portal_key=keys.public_text(key), tls=None)
        ours, theirs = socket.socketpair()
        with ours:
            speaking = asyncio.ensure_future(tunnel._session(theirs, lambda *_: asyncio.sleep(0), lambda: None))
            await asyncio.sleep(0)
            speaking.cancel()
            assert isinstance(
                (await asyncio.gather(speaking, return_exceptions=True))[0], (asyncio.CancelledError, Cut)
            )
            assert theirs.fileno() == -1

    monkeypatch.setattr(asyncssh, "run_server", never)
    asyncio.run(main())
