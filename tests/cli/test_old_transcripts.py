"""Transcripts of rancher-compose 0.7: what it said line by line is said here, at the levels that it had."""

from __future__ import annotations

import re

import pytest

from tests.cli.command_line import CommandLine, CommandResult
from tests.wire.api_client import run_until_idle

MEMCACHED = """\
memcached-service:
  log_driver: ''
  tty: true
  log_opt: {}
  image: sim/memcached:latest
  stdin_open: true
"""
NGINX = """\
nginx-alpine-service:
  log_driver: ''
  labels:
    io.rancher.container.start_once: 'true'
  tty: true
  log_opt: {}
  image: sim/nginx:1.8-alpine
  stdin_open: true
"""
REDIS = """\
redis-alpine-service:
  log_driver: ''
  tty: true
  log_opt: {}
  image: sim/redis:alpine
  stdin_open: true
"""
REDIS_NEXT = """\
redis-alpine-service:
redis-alpine-service-v1:
  log_driver: ''
  tty: true
  log_opt: {}
  image: sim/redis:3.0.7-alpine
  stdin_open: true
"""

_LINE = re.compile(r'time="[^"]+" level=(\w+) msg="(.*)"')
_LEVELS = {"debug": "DEBU", "info": "INFO", "warning": "WARN", "error": "ERRO"}


@pytest.fixture
def compose(cli: CommandLine) -> CommandLine:
    """The old program's name in an empty folder."""
    cli.program = "rancher-compose"
    return cli


def transcript(found: CommandResult) -> list[str]:
    """What was said, with its level in front; requests, which only this program says, are left out."""
    lines = [_LINE.fullmatch(line) for line in found.err.splitlines()]
    return [f"{_LEVELS[line[1]]} {line[2]}" for line in lines if line is not None]


def start(compose: CommandLine, project: str, text: str) -> None:
    """A project that runs already."""
    compose.write("docker-compose.yml", text)
    compose.succeed("-p", project, "up", "-d")
    run_until_idle()


def test_up_of_what_runs_already(compose: CommandLine):
    start(compose, "memcached-app-stack", MEMCACHED)
    found = compose.succeed("-p", "memcached-app-stack", "up", "-d")
    assert transcript(found) == [
        "INFO Project [memcached-app-stack]: Starting project",
        "INFO [0/1] [memcached-service]: Starting",
        "INFO [1/1] [memcached-service]: Started",
        "INFO Project [memcached-app-stack]: Project started",
    ]


def test_the_same_with_every_detail(compose: CommandLine):
    start(compose, "memcached-app-stack", MEMCACHED)
    key = compose.succeed("stacks", "--format", "json", program="corral").json[0]["id"]
    found = compose.succeed("--verbose", "-p", "memcached-app-stack", "up", "-d")
    assert [line.replace(f"{compose.folder}/", "") for line in transcript(found)] == [
        "DEBU Environment Context from file : map[]",
        "DEBU Opening compose file: docker-compose.yml",
        "DEBU [0/0] [memcached-service]: Adding",
        "DEBU Looking for stack memcached-app-stack",
        f"DEBU Found stack: memcached-app-stack({key})",
        "DEBU Launching action for memcached-service",
        "DEBU Project [memcached-app-stack]: Creating project",
        "DEBU Finding service memcached-service",
        "DEBU [0/1] [memcached-service]: Creating",
        "DEBU Found service memcached-service",
        "DEBU [0/1] [memcached-service]: Created",
        "DEBU Project [memcached-app-stack]: Project created",
        "INFO Project [memcached-app-stack]: Starting project",
        "DEBU Launching action for memcached-service",
        "DEBU Finding service memcached-service",
        "INFO [0/1] [memcached-service]: Starting",
        "DEBU Found service memcached-service",
        "DEBU Finding service memcached-service",
        "INFO [1/1] [memcached-service]: Started",
        "INFO Project [memcached-app-stack]: Project started",
    ]


def test_a_scale_starts_what_is_missing(compose: CommandLine):
    start(compose, "memcached-app-stack", MEMCACHED)
    found = compose.succeed("-p", "memcached-app-stack", "scale", "memcached-service=2")
    assert transcript(found) == ["INFO Setting scale memcached-service=2..."]
    names = [each["name"] for each in compose.succeed("ps", "-c", "--format", "json", program="corral").json]
    assert [name[-2:] for name in names] == ["_1", "_2"]


def test_an_upgrade_in_place_and_its_confirmation(compose: CommandLine):
    start(compose, "nginx-app-stack", NGINX)
    compose.write("next.yml", NGINX.replace("1.8-alpine", "1.9-alpine"))
    upgrade = ["-f", "next.yml", "-p", "nginx-app-stack", "up", "-d", "--upgrade"]
    assert transcript(compose.succeed(*upgrade, "nginx-alpine-service")) == [
        "INFO Project [nginx-app-stack]: Starting project",
        "INFO [0/1] [nginx-alpine-service]: Starting",
        "INFO Updating nginx-alpine-service",
        "INFO Upgrading nginx-alpine-service",
        "INFO [1/1] [nginx-alpine-service]: Started",
        "INFO Project [nginx-app-stack]: Project started",
    ]
    run_until_idle()
    assert transcript(compose.succeed(*upgrade, "--confirm-upgrade")) == [
        "INFO Project [nginx-app-stack]: Starting project",
        "INFO [0/1] [nginx-alpine-service]: Starting",
        "INFO [1/1] [nginx-alpine-service]: Started",
        "INFO Project [nginx-app-stack]: Project started",
    ]
    run_until_idle()
    rows = compose.succeed("ps", "-c", "-a", "--format", "json", program="corral").json
    assert [each["image"] for each in rows] == ["sim/nginx:1.9-alpine"]


def test_another_service_that_takes_over(compose: CommandLine):
    start(compose, "nginx-app-stack", REDIS)
    compose.succeed("-p", "nginx-app-stack", "scale", "redis-alpine-service=2")
    run_until_idle()
    compose.write("next.yml", REDIS_NEXT)
    found = compose.succeed(
        *("-f", "next.yml", "-p", "nginx-app-stack", "upgrade"),
        *("redis-alpine-service", "redis-alpine-service-v1", "--wait"),
    )
    assert transcript(found) == [
        "INFO Creating service redis-alpine-service-v1",
        "INFO Upgrading redis-alpine-service to redis-alpine-service-v1, scale=2",
    ]
    run_until_idle()
    rows = compose.succeed("services", "--format", "json", program="corral").json
    assert {each["name"]: each["scale"] for each in rows} == {
        "nginx-app-stack/redis-alpine-service": "0/0",
        "nginx-app-stack/redis-alpine-service-v1": "2/2",
    }
