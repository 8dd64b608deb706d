"""A simulated engine obeys Docker's rules, and fails where its labels say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from corral_agent.sim import images, pipe
from corral_agent.sim.box import Box
from corral_agent.sim.engine import SimEngine
from corral_agent.sim.fate import LABEL, Fate
from corral_agent.sim.hub import Hub
from corral_agent.sim.images import Images
from corral_agent.sim.refusals import Refusal
from corral_agent.sim.shell import outcome
from tests.agent.sim_stage import ask, made, play


async def until(told: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not told():  # noqa: ASYNC110  # a clock makes it true
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("label", "fate"),
    [
        ("", Fate()),
        ("create", Fate("create")),
        ("start", Fate("start")),
        ("exit:1.5", Fate("exit", 1.5)),
        ("oom:0", Fate("oom", 0.0)),
        ("unhealthy:3", Fate("unhealthy", 3.0)),
        ("exit", Fate()),
        ("exit:soon", Fate()),
        ("exit:-1", Fate()),
        ("exit:nan", Fate()),
        ("exit:1e99", Fate()),
        ("explode:1", Fate()),
    ],
)
def test_a_label_tells_a_fate(label: str, fate: Fate):
    async def scene(engine: SimEngine) -> None:
        assert Fate.of(Box("1", "web", {"Labels": {LABEL: label}})) == fate

    play(scene)


def test_making_and_starting_fail_when_told_to():
    async def scene(engine: SimEngine) -> None:
        body = {"Image": "sim:a", "Labels": {LABEL: "create"}}
        status, found = await ask(engine, "POST", "/containers/create?name=web", body)
        assert (status, engine.boxes.by_id) == (500, {})
        assert "told to fail" in found["message"]
        body["Labels"] = {LABEL: "start"}
        assert (await ask(engine, "POST", "/containers/create?name=web", body))[0] == 201
        assert (await ask(engine, "POST", "/containers/web/start"))[0] == 500
        _, seen = await ask(engine, "GET", "/containers/web/json")
        assert (seen["State"]["Status"], seen["State"]["ExitCode"]) == ("created", 128)
        assert "told to fail" in seen["State"]["Error"]

    play(scene)


@pytest.mark.parametrize(("fail", "code", "oom"), [("exit:0.01", 1, False), ("oom:0.01", 137, True)])
def test_a_process_ends_when_told_to(fail: str, code: int, *, oom: bool):
    async def scene(engine: SimEngine) -> None:
        box = await made(engine, fail=fail)
        await until(lambda: not box.running)
        assert (box.status, box.exit_code, box.oom_killed) == ("exited", code, oom)

    play(scene)


def test_a_restart_policy_brings_back_what_ended_by_itself():
    async def scene(engine: SimEngine) -> None:
        box = await made(engine, fail="exit:0.01", HostConfig={"RestartPolicy": {"Name": "always"}})
        await until(lambda: box.restarts >= 2)
        engine.boxes.kill(box, "KILL")
        assert box.status == "exited"
        few = await made(
            engine, "few", "exit:0.001", HostConfig={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
        )
        await until(lambda: not few.running)
        assert few.restarts == 2

    play(scene)


def test_a_container_that_was_stopped_does_not_meet_its_old_fate():
    async def scene(engine: SimEngine) -> None:
        box = await made(engine, fail="exit:0.03")
        engine.boxes.stop(box)
        assert box.exit_code == 0
        await asyncio.sleep(0.05)
        assert (box.exit_code, box.status) == (0, "exited")

    play(scene)


def test_health_turns_when_told_to():
    async def scene(engine: SimEngine) -> None:
        box = await made(engine, fail="unhealthy:0.01", Healthcheck={"Test": ["CMD", "true"]})
        assert box.health == "healthy"
        await until(lambda: box.health == "unhealthy")
        _, rows = await ask(engine, "GET", "/containers/json")
        assert rows[0]["Status"].endswith("(unhealthy)")
        engine.boxes.stop(box)
        assert box.health == ""

    play(scene)


def test_a_container_that_removes_itself_is_gone():
    async def scene(engine: SimEngine) -> None:
        box = await made(engine, HostConfig={"AutoRemove": True})
        waiting = asyncio.ensure_future(ask(engine, "POST", "/containers/web/wait"))
        await asyncio.sleep(0.02)
        engine.boxes.kill(box, "TERM")
        assert (await waiting)[1]["StatusCode"] == 143
        assert engine.boxes.by_id == {}

    play(scene)


def test_listings_are_chosen_by_label_state_and_name():
    async def scene(engine: SimEngine) -> None:
        await made(engine, "one", Labels={"team": "red"})
        two = await made(engine, "two", Labels={"team": "blue"})
        engine.boxes.stop(two)

        async def names(query: str) -> list[str]:
            return [row["Names"][0] for row in (await ask(engine, "GET", f"/containers/json?{query}"))[1]]

        assert await names("") == ["/one"]
        assert await names("all=1") == ["/one", "/two"]
        assert await names('all=1&filters={"label":["team=blue"]}') == ["/two"]
        assert await names('all=1&filters={"label":["team"]}') == ["/one", "/two"]
        assert await names('filters={"status":["exited"]}') == ["/two"]
        assert await names('all=1&filters={"name":["on"]}') == ["/one"]

    play(scene)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/containers/nobody/json", None, 404),
        ("POST", "/containers/create", b"{", 400),
        ("POST", "/containers/create", b"[]", 400),
        ("POST", "/containers/create", {}, 400),
        ("POST", "/containers/create", {"Image": "none"}, 404),
        ("POST", "/containers/create?name=a", {"Image": "sim:a"}, 400),
        ("POST", "/containers/create", {"Image": "sim:a", "Env": [5]}, 400),
        ("POST", "/containers/create", {"Image": "sim:a", "HostConfig": {"Binds": "x"}}, 400),
        ("GET", "/containers/json?filters={", None, 400),
        ("GET", "/containers/web/logs?since=yesterday&stdout=1", None, 400),
        ("GET", "/events?since=x", None, 400),
        ("POST", "/containers/web/exec", {"Cmd": []}, 400),
        ("POST", "/exec/nobody/start", {}, 404),
        ("GET", "/exec/nobody/json", None, 404),
        ("POST", "/networks/create", {}, 400),
        ("POST", "/networks/create", {"Name": "bridge"}, 409),
        ("GET", "/networks/nowhere", None, 404),
        ("DELETE", "/networks/bridge", None, 403),
        ("POST", "/networks/bridge/connect", {"Container": "nobody"}, 404),
        ("POST", "/networks/bridge/connect", {"Container": "web"}, 403),
        ("DELETE", "/volumes/none", None, 404),
        ("GET", "/images/none/json", None, 404),
        ("POST", "/images/create?fromImage=nowhere/x&tag=1", None, 404),
        ("POST", "/images/load", b"no archive", 400),
    ],
)
def test_a_wrong_call_is_refused_as_an_engine_does(method: str, path: str, body: Any, status: int):
    async def scene(engine: SimEngine) -> None:
        await made(engine)
        found, answer = await ask(engine, method, path, body)
        assert found == status
        assert status == 200 or answer["message"]

    play(scene)


def test_networks_and_volumes_come_and_go():
    async def scene(engine: SimEngine) -> None:
        await made(engine)
        _, net = await ask(engine, "POST", "/networks/create", {"Name": "lab", "Labels": {"a": "b"}})
        assert (await ask(engine, "POST", "/networks/lab/connect", {"Container": "web"}))[0] == 200
        _, seen = await ask(engine, "GET", f"/networks/{net['Id']}")
        assert len(seen["Containers"]) == 1
        assert (await ask(engine, "DELETE", "/networks/lab"))[0] == 403
        assert (await ask(engine, "POST", "/networks/lab/disconnect", {"Container": "web"}))[0] == 200
        assert (await ask(engine, "DELETE", "/networks/lab"))[0] == 204
        await ask(engine, "POST", "/volumes/create", {"Name": "data"})
        _, volumes = await ask(engine, "GET", "/volumes")
        assert [one["Name"] for one in volumes["Volumes"]] == ["data"]
        engine.boxes.make("user", {"Image": "sim:a", "HostConfig": {"Binds": ["data:/data"]}})
        assert (await ask(engine, "DELETE", "/volumes/data"))[0] == 409
        engine.boxes.remove(engine.boxes.get("user"), force=True)
        assert (await ask(engine, "DELETE", "/volumes/data"))[0] == 204

    play(scene)


def test_a_wanted_address_is_given_once():
    async def scene(engine: SimEngine) -> None:
        engine.boxes.networks.make("lab", {})
        points = {"EndpointsConfig": {"lab": {"IPAMConfig": {"IPv4Address": "172.18.7.7"}}}}
        body: dict[str, Any] = {"HostConfig": {"NetworkMode": "lab"}, "NetworkingConfig": points}
        one = await made(engine, "one", **body)
        assert one.addresses == {"lab": "172.18.7.7"}
        with pytest.raises(Refusal, match="already in use"):
            await made(engine, "two", **body)

    play(scene)


def test_images_travel_from_engine_to_engine():
    async def scene(engine: SimEngine) -> None:
        engine.images.add("app:1")
        status, archive = await ask(engine, "GET", "/images/get?names=app:1")
        assert status == 200
        other = SimEngine("s2", "SIM:2")
        _, told = await ask(other, "POST", "/images/load", archive)
        assert told["stream"] == "Loaded image: app:1\n"
        assert (await ask(other, "GET", "/images/app:1/json"))[1]["RepoTags"] == ["app:1"]
        assert (await ask(other, "DELETE", "/images/app:1"))[0] == 200
        assert not other.images.has("app:1")
        assert other.images.has("sim:anything")

    play(scene)


def test_a_pull_ends_with_the_image_there():
    hub = Hub()
    there = Images(hub)
    steps = list(images.pull("team/app"))
    assert steps[-1]["status"] == "Status: Downloaded newer image for team/app:latest"
    assert {step["id"] for step in steps if step["status"] == "Pull complete"} == {
        step["id"] for step in steps if step["status"] == "Pulling fs layer"
    }
    assert there.add("team/app") == "team/app:latest"
    assert there.has("team/app:latest")
    assert there.has(images.id_of("team/app"))


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["true"], ("", 0)),
        (["/bin/false"], ("", 1)),
        (["echo", "a", "b"], ("a b\n", 0)),
        (["sh", "-c", "echo a; exit 3"], ("a\n", 3)),
        (["sh", "-c", "echo 'a"], ("sh: syntax error: echo 'a\n", 2)),
        (["sh", "-c", "sleep 5; echo a"], None),
        (["nginx"], None),
        (["stty"], ("24 80\n", 0)),
    ],
)
def test_a_command_ends_or_stays(command: list[str], found: tuple[str, int] | None):
    assert outcome(command) == found


def test_an_engine_that_goes_down_cuts_everybody_off():
    async def scene(engine: SimEngine) -> None:
        source, sink = await engine.open()
        sink.write(b"GET /events HTTP/1.0\r\n\r\n")
        await source.read(10)
        engine.down = True
        while await source.read(65536):
            pass
        with pytest.raises(ConnectionRefusedError):
            await engine.open()
        engine.down = False
        assert (await ask(engine, "GET", "/_ping"))[0] == 200

    play(scene)


def test_a_pipe_is_patient_and_notices_its_end():
    async def main() -> None:
        (source, sink), (other, to_us) = pipe.pair()
        sink.write(b"x" * 300_000)
        waiting = asyncio.ensure_future(sink.drain())
        await asyncio.sleep(0)
        assert not waiting.done()
        while len(await other.read(65536)) == 65536:
            pass
        await waiting
        to_us.write(b"back")
        to_us.write_eof()
        assert (await source.read(), await source.read()) == (b"back", b"")
        to_us.close()
        with pytest.raises(BrokenPipeError):
            sink.write(b"nobody reads")

    asyncio.run(main())
