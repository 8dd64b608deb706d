"""A host behind a real agent: registered by the command's URL, used through the tunnel, lost, healed, removed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from apps.hosts.models import LATE_AFTER_SECONDS
from tests.docker.agent_process import AgentProcess
from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.docker.socket_client import open_socket
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def portal(new_portal: Callable[..., PortalProcess]) -> Iterator[PortalProcess]:
    """A portal that knows no engine of its own."""
    running = new_portal("unix:///nonexistent.sock")
    running.start()
    yield running
    if running.process is not None:
        running.end()


@pytest.fixture
def agent(tmp_path: Path, engine: PrivateEngine) -> Iterator[AgentProcess]:
    made = AgentProcess(tmp_path, engine, CATTLE_HOST_LABELS="zone=a&disk=ssd")
    yield made
    made.end(signal.SIGKILL)


def registration_url(api: Api) -> str:
    """The last word of the command, as a playbook reads it."""

    def check() -> str:
        rows = api.get("registrationtokens")["data"]
        return str(rows[0]["command"].split(" ")[-1]) if rows and rows[0]["command"] else ""

    return wait_until(check, seconds=60, what="a registration command")


def the_host(api: Api) -> Any:
    rows = api.get("hosts?removed_null=1")["data"]
    return rows[0] if rows else None


def until_host(api: Api, state: str, seconds: float = 60) -> Any:
    def check() -> Any:
        row = the_host(api)
        return row if row and row["agentState"] == state else None

    return wait_until(check, seconds=seconds, what=f"a host that is {state}")


def host_is_removed(api: Api) -> bool:
    """Whether no host is left; takes the next step towards it, whatever state it is in by now."""
    row = the_host(api)
    for action in ("remove", "deactivate"):
        if row is not None and action in row["actions"]:
            api.call("POST", row["actions"][action])
            break
    return row is None


@pytest.fixture
def host(api: Api, agent: AgentProcess) -> Iterator[Any]:
    """The engine, as a host through the agent."""
    agent.start(registration_url(api))
    yield until_host(api, "active", seconds=120)
    agent.end(signal.SIGCONT)
    wait_until(lambda: host_is_removed(api), seconds=120, what="the host's end")


def test_a_registered_agent_is_an_active_host_within_seconds(api: Api, agent: AgentProcess) -> None:
    began = time.monotonic()
    agent.start(registration_url(api))
    host = until_host(api, "active")
    assert time.monotonic() - began < 30
    assert (host["labels"]["zone"], host["labels"]["disk"]) == ("a", "ssd")
    assert host["labels"]["io.rancher.host.docker_version"]
    assert host["info"]["memoryInfo"]["memAvailable"] > 0
    assert host["info"]["cpuInfo"]["loadAvg"]
    assert host["info"]["diskInfo"]["mountPoints"]["/"]["total"] > 0
    api.act(host, "deactivate")
    api.until_state(host, "inactive")
    api.act(api.reload(host), "remove")
    api.until_state(host, "removed")
    wait_until(
        lambda: "removed" in agent.log_text().lower() or "refused" in agent.log_text().lower(),
        seconds=60,
        what="a word of it",
    )
    assert agent.process is not None
    assert agent.process.poll() is None


def test_containers_run_through_the_tunnel(api: Api, host: Any, terminal: docker.APIClient) -> None:
    stack, _service = api.deploy("Far", "web", 3)
    rows = api.until_running("Far_web_", 3)
    assert len(terminal.containers()) == 3
    logs = api.act(rows[0], "logs", follow=False, lines=10)
    assert logs["url"].startswith("ws://")
    api.delete(stack)
    api.until_state(stack, "removed", "purged")
    assert terminal.containers(all=True) == []


def test_logs_shell_and_statistics_come_through_the_tunnel(api: Api, host: Any) -> None:
    talk = "trap 'exit 0' TERM; i=0; while true; do i=$((i+1)); echo word $i; sleep 0.2; done"
    api.create("containers", name="talker", imageUuid="docker:bb:local", command=["sh", "-c", talk])
    (talker,) = api.until_running("talker", 1)
    logs_are_followed(api, talker)
    a_shell_has_a_terminal_of_the_windows_size(api, talker)
    statistics_flow(api, host, talker)


def logs_are_followed(api: Api, talker: Any) -> None:
    def words(frames: list[Any]) -> list[str]:
        return [str(text) for frame in frames for _stream, _at, text in frame["lines"]]

    with open_socket(api, f"/ws/logs?container={talker['id']}&tail=1000") as logs:
        frames = logs.frames("lines", lambda found: len(words(found)) >= 8 and len(found) >= 4)
    assert words(frames) == [f"word {number}" for number in range(1, len(words(frames)) + 1)]
    assert {stream for frame in frames for stream, _at, _text in frame["lines"]} == {"stdout"}


def a_shell_has_a_terminal_of_the_windows_size(api: Api, talker: Any) -> None:
    with open_socket(api, f"/ws/shell?container={talker['id']}&command=sh") as shell:
        shell.send_json(type="resize", columns=97, rows=31)
        shell.type_text("tty; stty size\n")
        assert "/dev/pts/" in shell.read_until("31 97")
        shell.send_json(type="resize", columns=120, rows=40)
        shell.type_text("stty size\n")
        shell.read_until("40 120")
        shell.type_text("exit 7\n")
        shell.expect_exit(7)


def statistics_flow(api: Api, host: Any, talker: Any) -> None:
    def points(frames: list[Any]) -> list[Any]:
        return [point for frame in frames for point in frame["points"]]

    def two(frames: list[Any]) -> bool:
        return len(points(frames)) >= 2

    one, whole = f"/ws/stats?container={talker['id']}", f"/ws/stats?host={host['id']}"
    with open_socket(api, one) as box, open_socket(api, whole) as machine:
        of_box, of_machine = (points(socket.frames("points", two)) for socket in (box, machine))
    total = api.reload(host)["info"]["memoryInfo"]["memTotal"] * 1024**2
    assert abs(of_machine[-1]["memory_limit"] - total) < total / 20
    assert 0 < of_box[-1]["memory"] < of_machine[-1]["memory"] < of_machine[-1]["memory_limit"]
    assert of_machine[-1]["cpu"] > 0
    assert of_box[0]["at"] < of_box[-1]["at"]


def test_a_killed_agent_is_reconnecting_at_once_and_its_host_heals(
    api: Api, host: Any, agent: AgentProcess, terminal: docker.APIClient
) -> None:
    api.create("containers", name="solo", imageUuid="docker:bb:local")
    (row,) = api.until_running("solo", 1)
    agent.end(signal.SIGKILL)
    until_host(api, "reconnecting", seconds=10)  # sooner than by its silence
    assert api.reload(row)["state"] == "running"
    agent.start()
    until_host(api, "active")
    terminal.remove_container(row["externalId"], force=True)
    api.until_running("solo", 1)


def test_a_silent_line_is_noticed_and_heals(api: Api, host: Any, agent: AgentProcess) -> None:
    agent.end(signal.SIGSTOP)
    until_host(api, "reconnecting")
    agent.end(signal.SIGCONT)
    until_host(api, "active", seconds=120)


def test_a_portal_that_comes_back_finds_its_host_and_what_it_missed(
    portal: PortalProcess, api: Api, host: Any, terminal: docker.APIClient
) -> None:
    portal.end(signal.SIGKILL)
    made = terminal.create_container("bb:local", name="brief")
    terminal.remove_container(made["Id"], force=True)
    time.sleep(LATE_AFTER_SECONDS)  # what is learned sooner does not count as late, however quickly a portal starts
    portal.start()
    until_host(api, "active", seconds=120)

    def missed() -> list[str]:
        rows = api.get(f"hostevents?name=brief&hostId={host['id']}")["data"]
        return sorted(row["action"] for row in rows if row["late"])

    wait_until(lambda: missed() == ["create", "destroy"], seconds=120, what="what happened meanwhile, learned late")
