"""A real engine through the whole tunnel: an agent process, its proxy, SSH in a WebSocket, and the portal's driver."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.drivers.base import (
    CreateRequest,
    Endpoint,
    EngineConflict,
    EngineDown,
)
from apps.drivers.docker.engine import DockerDriver
from portal.tools import agent_image
from tests.agent.fake_portal import FakePortal
from tests.agent.loop_thread import LoopThread
from tests.drivers.conformance import (
    SLEEP_FOREVER,
    collected,
    make,
    read_until_contains,
    read_until_end,
    wait_until,
    write_log,
)
from tests.engine import IMAGE, PrivateEngine

pytestmark = pytest.mark.docker

MEGABYTES = 60


@dataclass
class AgentSetup:
    loop: LoopThread
    portal: FakePortal
    agent: subprocess.Popen[bytes]
    folder: Path
    driver: DockerDriver
    path: str
    log: Path

    def request(self, target: str) -> bytes:
        return request(self.path, target)


def request(path: str, target: str, rest: str = "\r\n", method: str = "GET") -> bytes:
    """The body of the answer; `rest` is what follows the request line."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(path)
        client.sendall(f"{method} {target} HTTP/1.0\r\n{rest}".encode())
        got = b"".join(iter(lambda: client.recv(65536), b""))
    return got.partition(b"\r\n\r\n")[2]


@pytest.fixture(scope="module")
def setup(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentSetup]:
    folder = tmp_path_factory.mktemp("agent")
    source = Path(__file__).resolve().parents[2] / "agent"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{source}:{source.parent}",
        "CORRAL_STATE": str(folder / "state"),
        "CORRAL_NETWORK": "off",
    }
    log = folder / "log"
    with LoopThread() as loop:
        portal = FakePortal(folder)
        loop(portal.__aenter__())
        with log.open("wb") as out:
            agent = subprocess.Popen(
                [sys.executable, "-m", "corral_agent", portal.url],
                env=environment | {"DOCKER_SOCKET": engine.url, "CORRAL_SECRET_TEST": "1"},
                stdout=out,
                stderr=out,
            )
        path = loop(portal.forwarded())
        driver = DockerDriver(Endpoint(f"unix://{path}"))
        yield AgentSetup(loop, portal, agent, folder, driver, path, log)
        driver.close()
        if agent.poll() is None:
            agent.kill()
        agent.wait()
        loop(portal.__aexit__())


@pytest.fixture
def driver(setup: AgentSetup) -> Iterator[DockerDriver]:
    yield setup.driver
    for seen in setup.driver.containers():
        setup.driver.remove(seen.id)


def test_containers_live_behind_the_tunnel(driver: DockerDriver):
    made = make(driver)
    assert [seen.id for seen in driver.containers()] == [made]
    driver.stop(made, timeout=5)
    assert driver.inspect(made).exit_code == 0
    with pytest.raises(EngineConflict, match="already in use"):
        make(driver, start=False)


def test_logs_and_events_follow(driver: DockerDriver):
    with collected(driver.events()) as events:
        made = make(driver)
        with collected(driver.logs(made)) as lines:
            write_log(driver, made, "hello")
            wait_until(lambda: [line.text for line in lines] == ["hello"])
        driver.kill(made)
        wait_until(lambda: {"create", "start", "die"} <= {event.action for event in events})


def test_a_shell_takes_keys_and_gives_its_code(driver: DockerDriver):
    session = driver.exec(make(driver), ["sh"])
    read_until_contains(session, b"/ # ")
    session.resize(132, 43)
    session.write(b"stty size; exit 7\r")
    read_until_contains(session, b"43 132")
    read_until_end(session)
    assert session.exit_code() == 7
    session.close()


def test_an_image_goes_out_and_in(driver: DockerDriver, setup: AgentSetup):
    archive = setup.request("/images/get?names=bb:local")
    assert len(archive) > 1_000_000
    with driver._connection() as sdk:
        answer = "".join(str(line) for line in sdk.load_image(archive))
    assert "Loaded image: bb:local" in answer


def test_a_reader_that_stalls_blocks_nobody(driver: DockerDriver):
    made = make(driver, Cmd=["sh", "-c", "yes yesyesyesyesyesyesyesyes"])
    stalled = driver.logs(made)
    next(iter(stalled))  # and nothing more is read
    time.sleep(0.5)
    begun = time.monotonic()
    for _ in range(20):
        driver.ping()
    assert time.monotonic() - begun < 15
    stalled.close()


def test_what_corral_does_not_need_stays_closed(setup: AgentSetup):
    for target in ("/plugins", "/swarm", "/nodes", "/v1.41/containers/%2e%2e/plugins"):
        assert "message" in json.loads(setup.request(target))


def test_the_agent_tells_of_the_machine_and_its_containers(driver: DockerDriver, setup: AgentSetup):
    made = make(driver)
    found = json.loads(setup.request("/corral/v1/containers/stats"))
    assert found[made]["memory"] > 0
    assert found[made]["pids"] > 0
    machine = json.loads(setup.request("/corral/v1/machine"))
    assert machine["osInfo"]["dockerVersion"]
    assert machine["memoryInfo"]["memTotal"] > 100


def test_the_agent_is_small_and_keeps_its_secrets_to_itself(setup: AgentSetup):
    process = Path(f"/proc/{setup.agent.pid}")
    rows = (row.split() for row in (process / "smaps_rollup").read_text().splitlines()[1:])
    sizes = {row[0]: int(row[1]) // 1024 for row in rows}
    assert sizes["Pss:"] <= MEGABYTES
    state = json.loads((setup.folder / "state" / "agent.json").read_text())
    visible = (process / "environ").read_bytes() + setup.log.read_bytes()
    for secret in (state["secret_key"], state["private_key"], setup.portal.token):
        assert secret.encode() not in visible
    assert state["secret_key"].encode() not in (process / "cmdline").read_bytes()


def test_a_broken_connection_is_restored_and_what_was_missed_is_reported(setup: AgentSetup, engine: PrivateEngine):
    before = json.loads(setup.request("/corral/v1/journal?after=0&limit=1"))["last"]
    port = setup.portal.port
    setup.loop(setup.portal.close_tunnels())
    with pytest.raises(EngineDown):
        setup.driver.ping()
    local = DockerDriver(engine.endpoint)
    unseen = local.create(CreateRequest("unseen", {"Image": "bb:local", "Cmd": SLEEP_FOREVER}))
    local.start(unseen)
    local.remove(unseen)
    local.close()
    setup.loop(setup.portal.open_tunnels(port))
    path = setup.loop(setup.portal.forwarded(2), 60)
    entries = json.loads(request(path, f"/corral/v1/journal?after={before}"))["events"]
    assert [line["action"] for line in entries if line["id"] == unseen][:2] == ["create", "start"]
    assert {"disconnected", "connected"} <= {line["action"] for line in entries if line["kind"] == "agent"}


def test_an_agent_that_is_asked_to_stop_ends_well(setup: AgentSetup):
    setup.agent.send_signal(signal.SIGTERM)
    assert setup.agent.wait(30) == 0
    assert (setup.folder / "state" / "journal" / "closed").exists()


def test_the_image_without_a_registry_runs_as_the_command_says(engine: PrivateEngine, tmp_path: Path):
    agent_image.build(engine.url, agent_image.TAG)
    local = DockerDriver(engine.endpoint)
    binds = [f"{engine.folder}/docker.sock:/var/run/docker.sock", f"{tmp_path}/rancher:/var/lib/rancher"]
    with LoopThread() as loop:
        portal = FakePortal(tmp_path)
        loop(portal.__aenter__())
        host = {"Binds": binds, "NetworkMode": "host"}  # --privileged asks for more than test machines may give
        body = {"Image": agent_image.TAG, "Cmd": [portal.url], "HostConfig": host}
        made = local.create(CreateRequest("agent", body))
        local.start(made)
        path = loop(portal.forwarded())
        hello = json.loads(request(path, "/corral/v1/hello"))
        assert hello["engine"] is True
        pid = local.inspect(made).raw["State"]["Pid"]
        rows = (row.split() for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        sizes = {row[0]: int(row[1]) // 1024 for row in rows}
        assert sizes["Rss:"] <= MEGABYTES
        check_is_made_in_a_network_of_its_own(local, path)
        for program in (
            ["ip", "-V"],
            ["bridge", "-V"],
            ["nft", "-v"],
            ["wg", "--version"],
            ["wireguard-go", "--version"],
        ):
            session = local.exec(made, program, tty=False)
            read_until_end(session)
            assert session.exit_code() == 0, program
        begun = time.monotonic()
        local.stop(made, timeout=10)
        assert time.monotonic() - begun < 8  # not killed after its grace of 10 s
        assert local.inspect(made).exit_code == 0
        local.remove(made)
        loop(portal.__aexit__())
    local.close()


def check_is_made_in_a_network_of_its_own(local: DockerDriver, path: str) -> None:
    """The container's network is one of the engine's bridges, which the agent reaches in the network of its host."""
    body = {"Image": IMAGE, "HostConfig": {"NetworkMode": local.ensure_network("checked", {})}}
    web = local.create(CreateRequest("web", body))
    local.start(web)
    (network,) = local.inspect(web).raw["NetworkSettings"]["Networks"].values()
    check = {
        "id": "web", "run": "1", "address": network["IPAddress"], "port": 80, "request": "GET / HTTP/1.0",
        "subnet": f"{network['IPAddress']}/{network['IPPrefixLen']}", "interval": 200, "timeout": 2000,
        "healthyThreshold": 2, "unhealthyThreshold": 3, "initializing": 60_000,
    }  # fmt: skip
    document = json.dumps({"version": 1, "checks": [check]})
    answer = request(path, "/corral/v1/checks", f"Content-Length: {len(document)}\r\n\r\n{document}", method="PUT")
    assert json.loads(answer) == {"version": 1}
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as lines:
        client.settimeout(30)
        client.connect(path)
        client.sendall(b"GET /corral/v1/checks HTTP/1.0\r\n\r\n")
        assert any(b'"web": {"state": "healthy"' in line for line in lines)
    local.remove(web)
