"""A simulated engine follows Docker's rules, and fails where its labels say so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from corral_agent.simulated import memory_pipe
from corral_agent.simulated.engine import SimulatedEngine
from simulated_engine.errors import EngineApiError
from simulated_engine.failure import LABEL
from simulated_engine.images import image_id
from tests.agent.engine_scenario import request, run_engine_scenario, start_container


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # a clock makes it true
            await asyncio.sleep(0.002)


def test_making_and_starting_fail_on_request():
    async def scenario(engine: SimulatedEngine) -> None:
        body = {"Image": "sim:a", "Labels": {LABEL: "create"}}
        status, found = await request(engine, "POST", "/containers/create?name=web", body)
        assert (status, engine.containers.by_id) == (500, {})
        assert "told to fail" in found["message"]
        body["Labels"] = {LABEL: "start"}
        assert (await request(engine, "POST", "/containers/create?name=web", body))[0] == 201
        assert (await request(engine, "POST", "/containers/web/start"))[0] == 500
        _, seen = await request(engine, "GET", "/containers/web/json")
        assert (seen["State"]["Status"], seen["State"]["ExitCode"]) == ("created", 128)
        assert "told to fail" in seen["State"]["Error"]

    run_engine_scenario(scenario)


@pytest.mark.parametrize(("fail", "code", "oom"), [("exit:0.01", 1, False), ("oom:0.01", 137, True)])
def test_a_process_ends_on_request(fail: str, code: int, *, oom: bool):
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine, fail=fail)
        await until(lambda: not box.running)
        assert (box.status, box.exit_code, box.oom_killed) == ("exited", code, oom)

    run_engine_scenario(scenario)


def test_a_restart_policy_brings_back_what_ended_by_itself():
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine, fail="exit:0.01", HostConfig={"RestartPolicy": {"Name": "always"}})
        await until(lambda: box.restarts >= 2)
        engine.containers.kill(box, "KILL")
        assert box.status == "exited"
        few = await start_container(
            engine, "few", "exit:0.001", HostConfig={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
        )
        await until(lambda: not few.running)
        assert few.restarts == 2

    run_engine_scenario(scenario)


def test_a_container_that_was_stopped_does_not_meet_its_old_fate():
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine, fail="exit:0.03")
        engine.containers.stop(box)
        assert box.exit_code == 0
        await asyncio.sleep(0.05)
        assert (box.exit_code, box.status) == (0, "exited")

    run_engine_scenario(scenario)


def test_health_turns_on_request():
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine, fail="unhealthy:0.01", Healthcheck={"Test": ["CMD", "true"]})
        assert box.health == "healthy"
        await until(lambda: box.health == "unhealthy")
        _, rows = await request(engine, "GET", "/containers/json")
        assert rows[0]["Status"].endswith("(unhealthy)")
        engine.containers.stop(box)
        assert box.health == ""

    run_engine_scenario(scenario)


def test_a_container_that_removes_itself_is_gone():
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine, HostConfig={"AutoRemove": True})
        waiting = asyncio.ensure_future(request(engine, "POST", "/containers/web/wait"))
        await asyncio.sleep(0.02)
        engine.containers.kill(box, "TERM")
        assert (await waiting)[1]["StatusCode"] == 143
        assert engine.containers.by_id == {}

    run_engine_scenario(scenario)


def test_listings_are_chosen_by_label_state_and_name():
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine, "one", Labels={"team": "red"})
        two = await start_container(engine, "two", Labels={"team": "blue"})
        engine.containers.stop(two)

        async def names(query: str) -> list[str]:
            return [row["Names"][0] for row in (await request(engine, "GET", f"/containers/json?{query}"))[1]]

        assert await names("") == ["/one"]
        assert await names("all=1") == ["/one", "/two"]
        assert await names('all=1&filters={"label":["team=blue"]}') == ["/two"]
        assert await names('all=1&filters={"label":["team"]}') == ["/one", "/two"]
        assert await names('filters={"status":["exited"]}') == ["/two"]
        assert await names('all=1&filters={"name":["on"]}') == ["/one"]

    run_engine_scenario(scenario)


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
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        found, answer = await request(engine, method, path, body)
        assert found == status
        assert status == 200 or answer["message"]

    run_engine_scenario(scenario)


def test_a_label_that_is_no_text_leaves_nothing_behind():
    async def scenario(engine: SimulatedEngine) -> None:
        body = {"Image": "sim:a", "Labels": {"good": "1", "bad": {"a": "b"}}}
        assert (await request(engine, "POST", "/containers/create?name=web", body))[0] == 400
        assert engine.containers.find_by_label("good", "1") is None
        await start_container(engine)

    run_engine_scenario(scenario)


def test_networks_and_volumes_come_and_go():
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        _, net = await request(engine, "POST", "/networks/create", {"Name": "lab", "Labels": {"a": "b"}})
        assert (await request(engine, "POST", "/networks/lab/connect", {"Container": "web"}))[0] == 200
        _, seen = await request(engine, "GET", f"/networks/{net['Id']}")
        assert len(seen["Containers"]) == 1
        assert (await request(engine, "DELETE", "/networks/lab"))[0] == 403
        assert (await request(engine, "POST", "/networks/lab/disconnect", {"Container": "web"}))[0] == 200
        assert (await request(engine, "DELETE", "/networks/lab"))[0] == 204
        await request(engine, "POST", "/volumes/create", {"Name": "data"})
        _, volumes = await request(engine, "GET", "/volumes")
        assert [one["Name"] for one in volumes["Volumes"]] == ["data"]
        engine.containers.create("user", {"Image": "sim:a", "HostConfig": {"Binds": ["data:/data"]}})
        assert (await request(engine, "DELETE", "/volumes/data"))[0] == 409
        engine.containers.remove(engine.containers.get("user"), force=True)
        assert (await request(engine, "DELETE", "/volumes/data"))[0] == 204

    run_engine_scenario(scenario)


def test_a_wanted_address_is_given_once():
    async def scenario(engine: SimulatedEngine) -> None:
        engine.containers.networks.make("lab", {})
        points = {"EndpointsConfig": {"lab": {"IPAMConfig": {"IPv4Address": "172.18.7.7"}}}}
        body: dict[str, Any] = {"HostConfig": {"NetworkMode": "lab"}, "NetworkingConfig": points}
        one = await start_container(engine, "one", **body)
        assert one.addresses == {"lab": "172.18.7.7"}
        with pytest.raises(EngineApiError, match="already in use"):
            await start_container(engine, "two", **body)

    run_engine_scenario(scenario)


def test_images_travel_from_engine_to_engine():
    async def scenario(engine: SimulatedEngine) -> None:
        engine.images.add("app:1")
        status, archive = await request(engine, "GET", "/images/get?names=app:1")
        assert status == 200
        other = SimulatedEngine("s2", "SIM:2")
        _, condition = await request(other, "POST", "/images/load", archive)
        assert condition["stream"] == "Loaded image: app:1\n"
        assert (await request(other, "GET", "/images/app:1/json"))[1]["RepoTags"] == ["app:1"]
        assert (await request(other, "DELETE", "/images/app:1"))[0] == 200
        assert not other.images.has("app:1")
        assert other.images.has("sim:anything")

    run_engine_scenario(scenario)


def test_a_pull_ends_with_the_image_there():
    async def scenario(engine: SimulatedEngine) -> None:
        engine.core.tick = 0.0
        _, lines = await request(engine, "POST", "/images/create?fromImage=team/app")
        steps = [json.loads(line) for line in lines.splitlines()]
        assert steps[-1]["status"] == "Status: Downloaded newer image for team/app:latest"
        assert {step["id"] for step in steps if step["status"] == "Pull complete"} == {
            step["id"] for step in steps if step["status"] == "Pulling fs layer"
        }
        assert engine.images.has("team/app:latest")
        assert engine.images.has(image_id("team/app"))

    run_engine_scenario(scenario)


def test_an_engine_that_goes_down_cuts_everybody_off():
    async def scenario(engine: SimulatedEngine) -> None:
        source, sink = await engine.open()
        sink.write(b"GET /events HTTP/1.0\r\n\r\n")
        await source.read(10)
        engine.down = True
        while await source.read(65536):
            pass
        with pytest.raises(ConnectionRefusedError):
            await engine.open()
        engine.down = False
        assert (await request(engine, "GET", "/_ping"))[0] == 200

    run_engine_scenario(scenario)


def test_a_pipe_is_patient_and_notices_its_end():
    async def main() -> None:
        (source, sink), (other, to_us) = memory_pipe.connection_pair()
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
