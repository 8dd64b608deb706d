"""The playbook of docs/howto on a real host: it registers the host, and a second run changes nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.tools import agent_image
from tests.docker.portal_process import (
    DEFAULT_ENVIRONMENT,
    ROOT,
    PortalProcess,
    wait_until,
)
from tests.fleet.fleet import Fleet
from tests.fleet.host import Host

pytestmark = pytest.mark.docker

PLAYBOOK = ROOT / "docs" / "howto" / "register-hosts.yml"
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")


@pytest.fixture
def reachable(fleet: Fleet, tmp_path: Path) -> Iterator[PortalProcess]:
    """A portal that the fleet's hosts reach."""
    made = PortalProcess(tmp_path / "portal", "unix:///nonexistent.sock", BIND=fleet.switch.portal)
    made.data_dir.mkdir()
    made.start()
    yield made
    made.end(signal.SIGKILL)


def run_playbook(host: Host, portal: PortalProcess, access: str, secret: str, home: Path) -> str:
    """One run on the host itself; what it said."""
    command = [
        *(*host.enter_command, str(ANSIBLE), "-i", "localhost,", "-c", "local", str(PLAYBOOK)),
        *("-e", f"portal={portal.base}", "-e", f"project=1a{DEFAULT_ENVIRONMENT}"),
        *("-e", f"ansible_python_interpreter={sys.executable}"),
    ]
    ours = {"CORRAL_ACCESS_KEY": access, "CORRAL_SECRET_KEY": secret, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    env = {**os.environ, **ours, "ANSIBLE_LOCAL_TEMP": str(home), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


def parse_recap(output: str) -> dict[str, int]:
    """The recap: ok, changed, failed, ..."""
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", output[output.rindex("PLAY RECAP") :])}


def test_a_host_is_registered_once(fleet: Fleet, reachable: PortalProcess, tmp_path: Path):
    host, api = fleet.hosts[1], reachable.api()
    access, secret = api._session.auth  # type: ignore[misc]
    agent_image.build(host.url, agent_image.TAG)
    host.run("rm", "-rf", "/var/lib/rancher/corral")

    wrong = run_playbook(host, reachable, str(access), "wrong", tmp_path)
    assert parse_recap(wrong)["failed"] == 1
    assert host.terminal.containers(all=True) == []

    try:
        first = run_playbook(host, reachable, str(access), str(secret), tmp_path)
        assert (parse_recap(first)["changed"], parse_recap(first)["failed"]) == (1, 0), first
        rows = wait_until(
            lambda: [r for r in api.get("hosts")["data"] if r["state"] == "active"], seconds=120, what="h1"
        )
        assert [row["hostname"] for row in rows] == ["h1"]
        second = run_playbook(host, reachable, str(access), str(secret), tmp_path)
        assert (parse_recap(second)["changed"], parse_recap(second)["failed"]) == (0, 0), second
        assert len(api.get("hosts")["data"]) == 1
        assert str(secret) not in first + second
        assert "/v1/scripts/" not in first + second
    finally:
        fleet.engines[1].remove_containers()
