"""The fleet is what it pretends to be: machines of their own that fail as machines do, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from apps.drivers.base import Endpoint, EngineDown
from apps.drivers.docker.engine import DockerDriver
from tests.docker.portal_process import ROOT, wait_until
from tests.fleet import leftovers
from tests.fleet.commands import (
    NoFleet,
    missing_programs,
    run,
    wait_for,
)
from tests.fleet.fleet import Fleet
from tests.fleet.host import Host, shifted_clock
from tests.fleet.registry import Registry

pytestmark = pytest.mark.docker

_UP = """
import time
import django
django.setup()
from tests.fleet.fleet import Fleet
made = Fleet()
made.up(1)
print("up", flush=True)
time.sleep(600)
"""


def container(host: Host, name: str, **policy: object) -> str:
    """A running container of the test image on a host."""
    config = host.terminal.create_host_config(network_mode="host", **policy)
    made: str = host.terminal.create_container("bb:local", name=name, host_config=config)["Id"]
    host.terminal.start(made)
    return made


def state(host: Host, key: str) -> tuple[str, int]:
    found = host.terminal.inspect_container(key)["State"]
    return found["Status"], found["ExitCode"]


def test_each_host_is_a_machine_of_its_own(fleet: Fleet):
    names = {host.terminal.info()["Name"] for host in fleet.hosts.values()}
    assert names == {"h1", "h2", "h3"}
    assert len({host.terminal.info()["ID"] for host in fleet.hosts.values()}) == 3
    assert fleet.hosts[1].run("hostname").strip() == "h1"
    container(fleet.hosts[1], "only-here")
    assert [len(host.terminal.containers(all=True)) for host in fleet.hosts.values()] == [1, 0, 0]


def test_hosts_reach_each_other_until_a_cable_is_pulled(fleet: Fleet):
    one, two = fleet.hosts[1], fleet.hosts[2]
    container(two, "web")

    def page(seconds: str = "3") -> str:
        return one.run("curl", "-s", "-m", seconds, f"http://{two.address}/", check=False)

    wait_until(lambda: "h2" in page(), seconds=60, what="h2's page")
    two.disconnect()
    try:
        assert page("0.5") == ""
        assert state(two, "web") == ("running", 0), "its own console needs no cable"
    finally:
        two.reconnect()
    wait_until(lambda: "h2" in page(), seconds=60, what="h2's page again")


def test_power_off_ends_everything_and_the_disk_stays(fleet: Fleet):
    host = fleet.hosts[3]
    lost, back = container(host, "lost"), container(host, "back", restart_policy={"Name": "always"})
    agent = host.spawn("sleeper", "sleep", "600")
    wait_for(lambda: agent.pid > 0, "what runs there")
    host.power_off()
    assert not fleet.engines[3].is_responding()
    wait_until(lambda: not agent.alive, seconds=60, what="what ran there to be gone")
    fleet.power_on(3)
    assert state(host, lost) == ("exited", 255)
    wait_until(lambda: state(host, back)[0] == "running", seconds=60, what="restart=always")


def test_containers_outlive_a_killed_engine_until_it_returns(fleet: Fleet):
    host, engine = fleet.hosts[2], fleet.engines[2]
    key = container(host, "blind")
    pid = host.terminal.inspect_container(key)["State"]["Pid"]
    engine.end(signal.SIGKILL)
    assert not engine.is_responding()
    assert "serve" in host.run("cat", f"/proc/{pid}/cmdline")
    engine.restart()
    assert state(host, key)[0] == "exited"


def test_the_engine_with_tls_knows_its_friends(fleet: Fleet):
    url, friend = f"tcp://{fleet.hosts[1].address}:2376", fleet.authority.issue("portal", client=True)
    driver = DockerDriver(Endpoint(url, ca=fleet.authority.pem, cert=friend.cert, key=friend.key))
    assert driver.info().name == "h1"
    driver.close()
    unknown_client = DockerDriver(Endpoint(url, ca=fleet.authority.pem))
    with pytest.raises(EngineDown):
        unknown_client.info()


def test_a_program_may_live_in_another_hour(fleet: Fleet):
    code = "import time; print(time.time())"
    host = fleet.hosts[1]
    program = host.spawn("clock", sys.executable, "-c", code, **shifted_clock("+1h"))
    wait_until(lambda: not program.alive, seconds=60, what="its end")
    assert float(program.log_tail(1)) - time.time() == pytest.approx(3600, abs=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_the_program_itself(fleet: Fleet, number: signal.Signals):
    program = fleet.hosts[1].spawn("sleeper", "sleep", "600")
    wait_for(lambda: program.pid > 0 and Path(f"/proc/{program.pid}/comm").read_text() == "sleep\n", "the program")
    assert program.end(number) in {-number, 128 + number}


def test_what_a_killed_run_left_is_taken_away_by_the_next(fleet: Fleet):
    first, env = [sys.executable, "-c", _UP], {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(first, cwd=ROOT, stdout=subprocess.PIPE, env=env) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        other.kill()
    prefix = f"{leftovers.PREFIX}{other.pid}"
    assert Path(f"/run/netns/{prefix}-h1").exists(), "nothing was left, so this shows nothing"
    leftovers.clear_dead()
    traces = [*Path("/run/netns").glob(f"{prefix}*"), *Path("/sys/fs/cgroup").glob(f"*/{prefix}")]
    assert traces == []
    assert not leftovers.folder_of(prefix).exists()
    assert f"{prefix}:" not in run("ip", "link").replace("@", ":")
    assert prefix not in Path("/proc/mounts").read_text()
    assert fleet.engines[1].is_responding(), "the living are left alone"


def test_the_network_is_one_that_nobody_uses(fleet: Fleet):
    routes = run("ip", "-4", "route").splitlines()
    ours = [line for line in routes if line.startswith(str(fleet.switch.net))]
    assert len(ours) == 1
    with socket.create_connection((fleet.hosts[1].address, 2376), timeout=30) as open_port:
        assert open_port.getsockname()[0] == fleet.switch.portal


def test_complaints_name_the_command(tmp_path: Path):
    assert missing_programs() == []
    with pytest.raises(NoFleet, match=r"ls .*nothing-here"):
        run("ls", str(tmp_path / "nothing-here"))
    with pytest.raises(NoFleet, match="not within 0 s: the moon"):
        wait_for(lambda: False, "the moon", seconds=0)


def test_a_registry_lets_in_whoever_has_the_password(private_registry: Registry):
    name, auth = private_registry.name, private_registry.auth
    assert requests.get(f"http://{name}/v2/", timeout=30).status_code == 401
    wrong = requests.get(f"http://{name}/v2/", timeout=30, auth=(auth["username"], "wrong"))
    right = requests.get(f"http://{name}/v2/", timeout=30, auth=(auth["username"], auth["password"]))
    assert (wrong.status_code, right.status_code) == (401, 200)
