"""The command line as people have it: fetched from a portal, run as a program, with containers on a real engine."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.docker.portal_process import Api, PortalProcess, wait_until

pytestmark = pytest.mark.docker

SECONDS = 300
FILE = """\
web:
  image: bb:local
  command: sh -c 'trap exit TERM; echo color ${COLOR}; while true; do sleep 1; done'
  stop_signal: SIGKILL
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environ(portal: PortalProcess, api: Api, tmp_path: Path) -> dict[str, str]:
    """The folder of a project, and the variables of its shell."""
    for name in ("corral", "rancher-compose"):
        (tmp_path / name).write_bytes(requests.get(f"{portal.base}/cli/corral", timeout=60).content)
    (tmp_path / "docker-compose.yml").write_text(FILE)
    access, _, secret = base64.b64decode(api.authorization.split()[1]).decode().partition(":")
    keys = {"RANCHER_URL": portal.base, "RANCHER_ACCESS_KEY": access, "RANCHER_SECRET_KEY": secret}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLOR": "green", **keys}


@pytest.fixture
def run(environ: dict[str, str], tmp_path: Path) -> Run:
    """Runs a command line in that folder."""

    def call(program: str, *arguments: str, code: int = 0, **variables: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(tmp_path / program), *arguments],
            cwd=tmp_path,
            env={**environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    return call


def test_a_stack_is_brought_up_watched_entered_upgraded_and_removed(run: Run, environ: dict[str, str], tmp_path: Path):
    run("corral", "up", "-d", "-s", "shop", "--wait")
    (row,) = json.loads(run("corral", "ps", "-c", "--format", "json").stdout)
    assert (row["state"], row["image"]) == ("running", "bb:local")

    assert "color green" in run("corral", "logs", "shop/web").stdout
    assert run("corral", "exec", "shop/web", "--", "sh", "-c", "echo inside; exit 7", code=7).stdout == "inside\n"

    # As in a terminal, also where the tests themselves run in the background and ignore the signal.
    following = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-I", "-S", str(tmp_path / "corral"), "logs", "-f", "shop/web"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    assert following.stdout.readline() == "color green\n"
    following.send_signal(signal.SIGINT)
    _out, err = following.communicate(timeout=SECONDS)
    assert (following.returncode, err) == (130, "")

    scaled = run("rancher-compose", "-p", "shop", "scale", "web=2")
    assert 'msg="Setting scale web=2..."' in scaled.stderr
    upgraded = run("rancher-compose", "-p", "shop", "up", "-d", "--upgrade", COLOR="blue")
    assert 'msg="Upgrading web"' in upgraded.stderr
    run("rancher-compose", "-p", "shop", "up", "-d", "--upgrade", "--confirm-upgrade", COLOR="blue")
    rows = json.loads(run("corral", "services", "shop", "--format", "json").stdout)
    assert [(each["state"], each["scale"]) for each in rows] == [("active", "2/2")]
    assert "color blue" in run("corral", "logs", "shop/web").stdout

    run("rancher-compose", "-p", "shop", "rm", "-f")
    assert json.loads(run("corral", "ps", "-c", "--format", "json").stdout) == []


def test_bytes_of_a_pipe_go_through_a_command_unchanged(run: Run, environ: dict[str, str], tmp_path: Path):
    run("corral", "up", "-d", "-s", "pipe", "--wait")
    data = bytes(range(256)) * 4000
    done = subprocess.run(
        [sys.executable, "-I", "-S", "corral", "exec", "-i", "pipe/web", "--", "sh", "-c", "cat; echo oh >&2; exit 3"],
        cwd=tmp_path,
        env=environ,
        input=data,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout == data) == (3, b"oh\n", True)
    run("corral", "rm", "pipe", "-f")


def test_a_portal_that_is_killed_in_the_middle_of_up_is_waited_for(
    portal: PortalProcess, api: Api, environ: dict[str, str], tmp_path: Path
):
    (tmp_path / "rancher-compose.yml").write_text("web:\n  scale: 10\n")
    going = subprocess.Popen(
        [sys.executable, "-I", "-S", "corral", "up", "-d", "-s", "ten"],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: api.containers("ten_web_"), seconds=SECONDS, what="the first container")
    portal.end(signal.SIGKILL)
    portal.start(seconds=SECONDS)
    _out, err = going.communicate(timeout=SECONDS)
    assert (going.returncode, err.count("Waiting for it.")) == (0, 1), err
    api.until_running("ten_web_", 10, seconds=SECONDS)
