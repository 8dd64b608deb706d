"""What people see and do over the Docker API of a host: their environment's containers, and by their role."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.containers.docker_api import bodies
from apps.containers.docker_api.calls import CALLS
from apps.containers.docker_api.host_calls import HostDockerApi
from apps.containers.models import Container
from apps.control.models import AuditEntry
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Unauthorized
from apps.drivers.base import EngineDown, EngineRefused
from apps.drivers.exec_calls import ExecRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.roles import ROLES
from apps.hosts.models import Host

pytestmark = pytest.mark.django_db
HIDDEN = ["theirs", "nobodys", "system"]
ON_CONTAINERS = [
    ("GET", "/containers/{}/json", None),
    ("GET", "/containers/{}/logs?stdout=1", None),
    ("POST", "/containers/{}/wait", None),
    ("POST", "/containers/{}/attach?stream=1&stdout=1", None),
    ("POST", "/containers/{}/resize?h=1&w=1", None),
    ("POST", "/containers/{}/exec", {"Cmd": ["ls"]}),
]


def test_the_containers_of_the_environment_are_listed_and_no_others(call: Any, containers: Any):
    [row] = call("GET", "/containers/json?all=1")
    assert (row["Id"], row["Names"], row["State"]) == (containers.mine, ["/r-web"], "running")
    assert (row["Labels"], row["Status"]) == ({"team": "red"}, "Up")
    assert call("GET", "/info")["Containers"] == call("GET", "/info")["ContainersRunning"] == 1


@pytest.mark.parametrize("key", ["id", "prefix", "row's name", "engine's name"])
def test_a_container_is_found_by_each_of_its_names(call: Any, containers: Any, key: str):
    words = {"id": containers.mine, "prefix": containers.mine[:12], "row's name": "web", "engine's name": "r-web"}
    assert call("GET", f"/containers/{words[key]}/json")["Id"] == containers.mine


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("method", "path", "body"), ON_CONTAINERS)
def test_other_containers_of_the_host_are_not_found_by_any_call(
    call: Any, containers: Any, sim: SimulatedDriver, hidden: str, method: str, path: str, body: Any
):
    before = sim.calls.copy()
    for key in (getattr(containers, hidden), getattr(containers, hidden)[:12], f"r-{hidden}", "no-such"):
        with pytest.raises(NotFound, match="No such container"):
            call(method, path.format(key), body)
    assert set(sim.calls - before) == {"inspect"}, "it was looked at, and nothing was done"


@pytest.mark.parametrize("hidden", HIDDEN)
def test_commands_in_other_containers_are_not_found(call: Any, containers: Any, sim: SimulatedDriver, hidden: str):
    key = sim.exec_create(getattr(containers, hidden), ExecRequest(("ls",)))
    for method, path in (("GET", "json"), ("POST", "start"), ("POST", "resize?h=1&w=1")):
        with pytest.raises(NotFound, match="No such exec instance"):
            call(method, f"/exec/{key}/{path}", {} if method == "POST" else None)
    assert not sim.exec_inspect(key).running
    with pytest.raises(NotFound):
        call("GET", f"/exec/{'f' * 64}/json")


def test_a_container_that_was_removed_is_not_found(call: Any, containers: Any):
    Container.all_objects.filter(pk=containers.row.pk).update(removed="2026-01-01T00:00:00Z")
    with pytest.raises(NotFound):
        call("GET", f"/containers/{containers.mine}/json")


def test_a_host_that_was_removed_is_not_found(call: Any, containers: Any, host: Host):
    Host.all_objects.filter(pk=host.pk).update(removed="2026-01-01T00:00:00Z")
    with pytest.raises(NotFound, match="The host is gone"):
        call("GET", "/_ping")


def test_details_name_no_paths_of_the_host(call: Any, containers: Any):
    found = call("GET", "/containers/web/json")
    assert "SECRET=hush" in found["Config"]["Env"]
    assert "Driver" not in found
    assert "LogPath" not in found


@pytest.fixture
def with_permissions(monkeypatch: pytest.MonkeyPatch, lab: Any) -> Any:
    """Has alice hold exactly these permissions, as a custom role would give her."""

    def hold(*names: str) -> None:
        from apps.environments.actor import Actor

        monkeypatch.setattr(Actor, "permissions", lambda _self, _key: frozenset(names))

    return hold


def test_values_of_variables_are_for_whom_may_see_them(call: Any, containers: Any, with_permissions: Any):
    with_permissions("view", "engine")
    assert call("GET", "/containers/web/json")["Config"]["Env"] == ["SECRET=", "EMPTY="]


@pytest.mark.parametrize("each", CALLS, ids=lambda each: each.name)
def test_each_call_takes_its_permission_besides_the_one_to_come_here(
    call: Any, containers: Any, with_permissions: Any, each: Any
):
    path = each.pattern.pattern.replace("(?P<key>[A-Za-z0-9][A-Za-z0-9_.-]{0,254})", containers.mine)
    method = next(iter(each.methods - {"HEAD"}))
    every = set(ROLES["owner"])
    for missing in ("engine", each.permission):
        with_permissions(*(every - {missing}))
        with pytest.raises(Forbidden, match=f"permission {missing}"):
            call(method, path, {} if method == "POST" else None)
    entry = AuditEntry.all_objects.filter(event="host.dockerSocket").latest("pk")
    assert (entry.code, entry.request["call"]) == ("403", each.name)


@pytest.mark.parametrize("who", ["bob", "rex", "rita", "mallory"])
def test_only_owners_come_here_unless_a_role_says_so(call: Any, containers: Any, who: str):
    with pytest.raises(Forbidden):
        call("GET", "/_ping", who=who)


def test_who_is_logged_out_meanwhile_is_refused(host: Host):
    from apps.containers.docker_api.calls import parse_docker_request

    api = HostDockerApi(host.pk, host.environment_id, lambda: None)
    with pytest.raises(Unauthorized):
        api.handle(parse_docker_request("GET", "/_ping", b""))


def test_a_command_runs_and_says_how_it_ended(call: Any, containers: Any):
    key = call("POST", "/containers/web/exec", {"Cmd": ["echo", "hi"], "AttachStdout": True})["Id"]
    assert not AuditEntry.all_objects.filter(event="container.shell").exists(), "nothing has run yet"
    takeover = call("POST", f"/exec/{key}/start", {"Detach": False, "Tty": False})
    assert takeover.session.read_stream() == ("stdout", b"hi\n")
    found = call("GET", f"/exec/{key}/json")
    assert (found["Running"], found["ExitCode"], found["ContainerID"]) == (False, 0, containers.mine)
    entry = AuditEntry.all_objects.get(event="container.shell")
    assert entry.request == {"command": ["echo", "hi"], "tty": False, "api": "docker"}
    assert (entry.code, entry.target, entry.account.login) == ("200", containers.row.pk, "alice")


def test_a_command_runs_once(call: Any, containers: Any):
    key = call("POST", "/containers/web/exec", {"Cmd": ["true"]})["Id"]
    call("POST", f"/exec/{key}/start", {})
    with pytest.raises(Conflict, match="has run already"):
        call("POST", f"/exec/{key}/start", {})


def test_a_detached_command_runs_without_output(call: Any, containers: Any):
    key = call("POST", "/containers/web/exec", {"Cmd": ["exit", "3"]})["Id"]
    assert call("POST", f"/exec/{key}/start", {"Detach": True}) is None
    assert call("GET", f"/exec/{key}/json")["ExitCode"] == 3
    assert AuditEntry.all_objects.filter(event="container.shell").count() == 1


def test_a_terminal_gets_its_size(call: Any, containers: Any):
    key = call("POST", "/containers/web/exec", {"Cmd": ["sh"], "Tty": True, "AttachStdin": True})["Id"]
    takeover = call("POST", f"/exec/{key}/start", {"Tty": True})
    assert takeover.tty
    assert takeover.needs == {"exec"}
    call("POST", f"/exec/{key}/resize?w=132&h=43")
    takeover.session.write(b"stty size\r")
    got = b""
    while b"43 132" not in got:
        got += takeover.session.read()
    takeover.session.close()


def test_a_privileged_command_that_was_made_on_the_host_is_not_run(
    call: Any, containers: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    from dataclasses import replace

    key = sim.exec_create(containers.mine, ExecRequest(("ls",)))
    found = replace(sim.exec_inspect(key), privileged=True)
    monkeypatch.setattr(sim, "exec_inspect", lambda _key: found)
    with pytest.raises(Forbidden, match="all rights"):
        call("POST", f"/exec/{key}/start", {})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/containers/web/exec", {"Cmd": ["ls"]}),
        ("POST", "/containers/web/attach?stream=1", None),
        ("POST", "/exec/{}/start", {}),
    ],
)
@pytest.mark.parametrize(
    ("check", "error"),
    [
        ("enforce_shell_policy", Invalid("privileged", "PolicyViolation", "the host policy does not allow it")),
        ("enforce_mount_policy", EngineRefused("the host policy does not allow it")),
    ],
)
def test_what_violates_the_host_policy_is_not_entered(
    call: Any,
    containers: Any,
    sim: SimulatedDriver,
    monkeypatch: Any,
    method: str,
    path: str,
    body: Any,
    check: str,
    error: Exception,
):
    key = sim.exec_create(containers.mine, ExecRequest(("ls",)))

    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(f"apps.containers.docker_api.host_calls.{check}", refuse)
    with pytest.raises(Forbidden, match="the host policy does not allow it"):
        call(method, path.format(key), body)
    assert AuditEntry.all_objects.filter(event__in=["container.shell", "container.attach"]).latest("pk").code == "403"
    assert not sim.exec_inspect(key).running


def test_a_container_with_keys_in_it_takes_a_role_that_sees_values(
    call: Any, containers: Any, with_permissions: Any, monkeypatch: pytest.MonkeyPatch
):
    from apps.core.hooks import hooks

    monkeypatch.setattr(hooks, "holds_keys", lambda _row: True)
    with_permissions("view", "engine", "exec")
    with pytest.raises(Forbidden, match="Private keys"):
        call("POST", "/containers/web/exec", {"Cmd": ["ls"]})
    with_permissions("view", "engine", "exec", "values")
    key = call("POST", "/containers/web/exec", {"Cmd": ["ls"]})["Id"]
    assert call("POST", f"/exec/{key}/start", {}).needs == {"exec", "values"}


def test_logs_come_in_frames_of_the_streams_that_are_wanted(call: Any, containers: Any, sim: SimulatedDriver):
    sim.write_log(containers.mine, "one")
    sim.write_log(containers.mine, "two", "stderr")
    both = call("GET", "/containers/web/logs?stdout=1&stderr=1")
    assert list(both.pieces) == [b"\1\0\0\0\0\0\0\4one\n", b"\2\0\0\0\0\0\0\4two\n"]
    assert (both.content_type, both.needs) == ("application/vnd.docker.multiplexed-stream", {"logs"})
    assert list(call("GET", "/containers/web/logs?stderr=true&tail=1").pieces) == [b"\2\0\0\0\0\0\0\4two\n"]
    [line] = call("GET", "/containers/web/logs?stdout=1&timestamps=1").pieces
    assert line[8:].endswith(b"Z one\n")
    assert list(call("GET", "/containers/web/logs?stdout=1&since=4000000000").pieces) == []
    for bad in ("", "?stdout=0", "?stdout=1&tail=x", "?stdout=1&since=x", "?stdout=1&since=1.x"):
        with pytest.raises(Invalid):
            call("GET", f"/containers/web/logs{bad}")


def test_whom_is_attached_reads_what_the_container_writes(call: Any, containers: Any, sim: SimulatedDriver):
    takeover = call("POST", "/containers/web/attach?stream=1&stdout=1&stdin=1")
    sim.write_log(containers.mine, "hello")
    assert takeover.session.read_stream() == ("stdout", b"hello\n")
    takeover.session.close()
    assert AuditEntry.all_objects.get(event="container.attach").request == {"stdin": True, "api": "docker"}
    with pytest.raises(Invalid):
        call("POST", "/containers/web/attach?logs=1")
    sim.stop(containers.mine)
    with pytest.raises(Conflict):
        call("POST", "/containers/web/attach?stream=1")


def test_waiting_ends_with_the_exit_code(call: Any, containers: Any, sim: SimulatedDriver, monkeypatch: Any):
    monkeypatch.setattr(bodies, "WAIT_INTERVAL", 0.01)
    answer = call("POST", "/containers/web/wait?condition=not-running")
    sim.crash(containers.mine, 7)
    assert [json.loads(piece) for piece in answer.pieces] == [{"StatusCode": 7}]
    with pytest.raises(Invalid):
        call("POST", "/containers/web/wait?condition=removed")
    gone = call("POST", "/containers/web/wait")
    sim.remove(containers.mine)
    assert json.loads(next(iter(gone.pieces)))["Error"]["Message"] == "The container is gone."
    closed = bodies.WaitBody(sim, containers.nobodys)
    closed.close()
    assert list(closed) == []


def test_version_and_ping_say_what_is_spoken(call: Any, containers: Any, sim: SimulatedDriver):
    assert call("GET", "/_ping") == "OK"
    assert call("GET", "/version")["ApiVersion"] == "1.44"
    sim.down = True
    with pytest.raises((EngineDown, Problem)):
        call("GET", "/_ping")
    sim.down = False


def test_a_list_takes_the_same_queries_however_many_there_are(
    call: Any, containers: Any, host: Host, sim: SimulatedDriver, django_assert_max_num_queries: Any
):
    with django_assert_max_num_queries(20) as few:
        call("GET", "/containers/json")
    for number in range(20):
        Container.all_objects.create(
            environment=host.environment, host=host, name=f"c{number}", external_id=f"{number:064x}", desired="running"
        )
    with django_assert_max_num_queries(len(few)):
        call("GET", "/containers/json")
