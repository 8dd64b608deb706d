"""A simulated engine's API, call by call: what it answers, what it refuses, and what it never mixes up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral_agent.simulated.engine import SimulatedEngine
from tests.agent.engine_scenario import request, run_engine_scenario, start_container


def test_what_was_not_given_when_a_start_failed_is_free_again():
    async def scenario(engine: SimulatedEngine) -> None:
        engine.containers.networks.make("lab", {})
        points = {"EndpointsConfig": {"lab": {"IPAMConfig": {"IPv4Address": "172.18.7.7"}}}}
        ports = {"80/tcp": [{"HostPort": "8080"}]}
        first: dict[str, Any] = {"HostConfig": {"NetworkMode": "lab"}, "NetworkingConfig": points}
        await start_container(engine, "one", **first)
        second = engine.containers.create(
            "two",
            {
                "Image": "sim:a",
                "NetworkingConfig": points,
                "HostConfig": {"NetworkMode": "bridge", "PortBindings": ports},
            },
        )
        assert (await request(engine, "POST", "/containers/two/start"))[0] == 403
        assert second.addresses == {"bridge": "", "lab": ""}
        assert not engine.containers.networks.by_name["bridge"].used
        three = await start_container(engine, "three", HostConfig={"PortBindings": ports})
        assert three.running, "the port that the failed start had taken is free"
        assert engine.containers.get("one").addresses == {"lab": "172.18.7.7"}, "nobody lost an address by it"

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    "path", ["/containers/web/logs?stdout=1&since=²", "/containers/web/logs?since=1.x", "/events?since=²"]
)
def test_a_refusal_comes_instead_of_an_answer_and_not_in_its_middle(path: str):
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        status, found = await request(engine, "GET", path.replace("²", "%C2%B2"))
        assert status == 400
        assert "²" in found["message"] or "1.x" in found["message"]

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"run"}),
        ("?all=1", {"run", "old", "new"}),
        ("?all=true", {"run", "old", "new"}),
        ("?all=0", {"run"}),
        ('?filters={"status":["exited"]}', {"old"}),
        ('?filters={"status":["exited","created"]}', {"old", "new"}),
        ('?filters={"status":{"running":true}}', {"run"}),
        ('?all=1&filters={"name":["^/ne$"]}', {"new"}),
        ('?all=1&filters={"name":["o","n"]}', {"old", "new", "run"}),
        ('?all=1&filters={"label":["tier=back"]}', {"old"}),
        ('?all=1&filters={"label":["tier"]}', {"old", "run"}),
        ('?all=1&filters={"label":["tier","tier=front"]}', {"run"}),
        ('?all=1&filters={"label":["none"]}', set()),
        ("?all=1&filters={}", {"run", "old", "new"}),
    ],
)
def test_a_list_shows_what_was_asked_for(query: str, names: set[str]):
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine, "run", Labels={"tier": "front"})
        old = engine.containers.create("old", {"Image": "sim:a", "Labels": {"tier": "back"}})
        engine.containers.start(old)
        engine.containers.stop(old)
        engine.containers.create("new", {"Image": "sim:a"})
        target = query.replace('"', "%22").replace("{", "%7B").replace("}", "%7D").replace("^", "%5E")
        status, found = await request(engine, "GET", f"/containers/json{target}")
        assert status == 200
        assert {row["Names"][0].lstrip("/") for row in found} == names

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    ("before", "path", "status", "after"),
    [
        ([], "start", 204, "running"),
        (["start"], "start", 304, "running"),
        (["start"], "stop", 204, "exited"),
        ([], "stop", 304, "created"),
        (["start", "stop"], "stop", 304, "exited"),
        (["start", "stop"], "start", 204, "running"),
        (["start"], "restart", 204, "running"),
        (["start", "stop"], "restart", 204, "running"),
        ([], "restart", 204, "running"),
        (["start"], "kill", 204, "exited"),
        (["start"], "kill?signal=SIGHUP", 204, "running"),
        (["start"], "kill?signal=sigterm", 204, "exited"),
        (["start"], "kill?signal=9", 204, "exited"),
        ([], "kill", 409, "created"),
        (["start", "kill"], "kill", 409, "exited"),
        (["start"], "rename?name=other", 204, "running"),
        (["start"], "rename?name=web", 409, "running"),
        (["start"], "rename?name=-x", 400, "running"),
        (["start"], "rename", 400, "running"),
    ],
)
def test_a_container_obeys_or_says_why_not(before: list[str], path: str, status: int, after: str):
    async def scenario(engine: SimulatedEngine) -> None:
        box = engine.containers.create("web", {"Image": "sim:a"})
        for step in before:
            assert (await request(engine, "POST", f"/containers/web/{step}"))[0] == 204
        assert (await request(engine, "POST", f"/containers/{box.id}/{path}"))[0] == status
        _, seen = await request(engine, "GET", f"/containers/{box.id[:12]}/json")
        assert seen["State"]["Status"] == after

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    ("state", "query", "status"),
    [
        ("created", "", 204),
        ("running", "", 409),
        ("running", "?force=1", 204),
        ("exited", "", 204),
        ("exited", "?force=true", 204),
    ],
)
def test_a_container_goes_when_it_may(state: str, query: str, status: int):
    async def scenario(engine: SimulatedEngine) -> None:
        box = engine.containers.create("web", {"Image": "sim:a"})
        if state != "created":
            engine.containers.start(box)
        if state == "exited":
            engine.containers.stop(box)
        assert (await request(engine, "DELETE", f"/containers/web{query}"))[0] == status
        assert (await request(engine, "GET", "/containers/web/json"))[0] == (404 if status == 204 else 200)
        if status == 204:
            assert engine.containers.create("web", {"Image": "sim:a"}).id != box.id, "its name is free again"

    run_engine_scenario(scenario)


@pytest.mark.parametrize("reference", ["web", "/web", "id", "short"])
def test_a_container_answers_to_its_names(reference: str):
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine)
        name = {"id": box.id, "short": box.id[:4]}.get(reference, reference)
        assert engine.containers.get(name) is box

    run_engine_scenario(scenario)


@pytest.mark.parametrize("reference", ["", "we", "webb", "abc", "zzzz"])
def test_what_names_nobody_finds_nobody(reference: str):
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        status, found = await request(engine, "POST", f"/containers/{reference or 'x'}/start")
        assert (status, found["message"]) == (404, f"No such container: {reference or 'x'}")

    run_engine_scenario(scenario)


def test_a_wait_ends_with_the_exit_code():
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine, fail="exit:0.01")
        status, found = await request(engine, "POST", "/containers/web/wait")
        assert (status, found["StatusCode"]) == (200, 1)
        assert not box.running
        assert (await request(engine, "POST", "/containers/web/wait"))[1]["StatusCode"] == 1, "at once when it is over"

    run_engine_scenario(scenario)


def test_a_command_runs_once_and_is_shown_with_its_code():
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        _, exec_ = await request(
            engine, "POST", "/containers/web/exec", {"Cmd": ["sh", "-c", "echo hi; exit 3"], "Tty": True}
        )
        path = f"/exec/{exec_['Id']}"
        assert (await request(engine, "GET", f"{path}/json"))[1]["Running"] is False
        assert (await request(engine, "POST", f"{path}/start", {})) == (200, b"hi\r\n")
        _, exec_details = await request(engine, "GET", f"{path}/json")
        assert (exec_details["Running"], exec_details["ExitCode"], exec_details["ProcessConfig"]["entrypoint"]) == (
            False,
            3,
            "sh",
        )
        assert (await request(engine, "POST", f"{path}/start", {}))[0] == 409
        assert (await request(engine, "POST", f"{path}/resize?h=50&w=100"))[0] == 409

    run_engine_scenario(scenario)


def test_a_terminal_knows_its_size():
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        _, exec_ = await request(engine, "POST", "/containers/web/exec", {"Cmd": ["stty", "size"], "Tty": True})
        path = f"/exec/{exec_['Id']}"
        assert (await request(engine, "POST", f"{path}/resize?h=50&w=100"))[0] == 200
        assert (await request(engine, "POST", f"{path}/resize?h=tall"))[0] == 400
        assert (await request(engine, "POST", f"{path}/start", {})) == (200, b"50 100\r\n")

    run_engine_scenario(scenario)


@pytest.mark.parametrize("state", ["created", "exited"])
def test_no_command_runs_in_what_does_not_run(state: str):
    async def scenario(engine: SimulatedEngine) -> None:
        box = engine.containers.create("web", {"Image": "sim:a"})
        if state == "exited":
            engine.containers.start(box)
            engine.containers.stop(box)
        status, found = await request(engine, "POST", "/containers/web/exec", {"Cmd": ["true"]})
        assert status == 409
        assert "is not running" in found["message"]

    run_engine_scenario(scenario)


def test_a_command_of_a_container_that_ended_meanwhile_is_refused():
    async def scenario(engine: SimulatedEngine) -> None:
        box = await start_container(engine)
        _, exec_ = await request(engine, "POST", "/containers/web/exec", {"Cmd": ["true"]})
        engine.containers.stop(box)
        assert (await request(engine, "POST", f"/exec/{exec_['Id']}/start", {}))[0] == 409

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    ("query", "tags", "digests"),
    [
        ("fromImage=team/app&tag=2", ["team/app:2"], 1),
        ("fromImage=team/app:3", ["team/app:3"], 1),
        ("fromImage=team/app", ["team/app:latest"], 1),
        ("fromImage=app&tag=sha256:abc", [], ["app@sha256:abc"]),
        ("fromImage=host:5000/app&tag=1", ["host:5000/app:1"], 1),
    ],
)
def test_a_pulled_image_is_there_with_the_last_line_and_not_before(query: str, tags: list[str], digests: Any):
    async def scenario(engine: SimulatedEngine) -> None:
        engine.core.tick = 0.0
        status, lines = await request(engine, "POST", f"/images/create?{query}")
        assert status == 200
        lines_read = [json.loads(line) for line in lines.splitlines()]
        assert lines_read[-1]["status"].startswith("Status: Downloaded newer image")
        (row,) = (await request(engine, "GET", "/images/json"))[1]
        assert row["RepoTags"] == tags
        assert digests in (row["RepoDigests"], len(row["RepoDigests"]))

    run_engine_scenario(scenario)


def test_an_image_in_use_stays_unless_it_is_forced():
    async def scenario(engine: SimulatedEngine) -> None:
        engine.images.add("app:1")
        await start_container(engine, Image="app:1")
        status, found = await request(engine, "DELETE", "/images/app:1")
        assert status == 409
        assert "is using its referenced image" in found["message"]
        assert (await request(engine, "DELETE", "/images/app:1?force=1"))[0] == 200
        assert (await request(engine, "GET", "/images/app:1/json"))[0] == 404
        assert (await request(engine, "POST", "/containers/create?name=two", {"Image": "app:1"}))[0] == 404

    run_engine_scenario(scenario)


def test_an_archive_of_several_is_as_large_as_it_says_and_holds_them_all():
    async def scenario(engine: SimulatedEngine) -> None:
        for name in ("app:1", "app:2"):
            engine.images.add(name)
        _, archive = await request(engine, "GET", "/images/get?names=app:1,app:2")
        assert len(archive) > 4_000_000
        other = SimulatedEngine("s2", "SIM:2")
        _, lines_read = await request(other, "POST", "/images/load", archive)
        assert [json.loads(line)["stream"] for line in lines_read.splitlines()] == [
            "Loaded image: app:1\n",
            "Loaded image: app:2\n",
        ]
        assert (await request(engine, "GET", "/images/get?names=app:1,none"))[0] == 404

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/networks/create", {"Name": "lab"}, 409),
        ("/networks/create", {"Name": ""}, 400),
        ("/networks/create", [], 400),
        ("/networks/lab/connect", {}, 404),
        ("/networks/nowhere/connect", {"Container": "web"}, 404),
        ("/networks/lab/disconnect", {"Container": "web"}, 500),
        ("/networks/bridge/disconnect", {"Container": "web"}, 200),
        ("/networks/lab/connect", {"Container": "web"}, 200),
    ],
)
def test_networks_take_what_fits(path: str, body: Any, status: int):
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        engine.containers.networks.make("lab", {})
        assert (await request(engine, "POST", path, body))[0] == status

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    ("query", "names"), [("", {"bridge", "host", "none", "lab"}), ("?filters=%7B%22name%22:[%22la%22]%7D", {"lab"})]
)
def test_networks_are_listed_by_name(query: str, names: set[str]):
    async def scenario(engine: SimulatedEngine) -> None:
        engine.containers.networks.make("lab", {"a": "b"})
        _, found = await request(engine, "GET", f"/networks{query}")
        assert {row["Name"] for row in found} == names

    run_engine_scenario(scenario)


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/containers", "/containers/web", "/images", "/exec/x", "/v1.41/containers/web/top"]
)
def test_a_call_that_is_none_is_not_found(path: str):
    async def scenario(engine: SimulatedEngine) -> None:
        await start_container(engine)
        status = (await request(engine, "GET", path))[0] if path != "/" else 404
        assert status == 404

    run_engine_scenario(scenario)
