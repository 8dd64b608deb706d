"""A project of docker-compose 1.29 on a real engine: adopted, scaled, upgraded, rolled back and given back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.docker.portal_process import Api, clean_environment, wait_until
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

SLEEP = '["sh", "-c", "trap \'exit 0\' TERM; while :; do sleep 3600 & wait $$!; done"]'
FILE = f"""\
version: "2.4"
services:
  web:
    image: bb:local
    command: {SLEEP}
    ports: ["127.0.0.1:18093:80"]
    environment: {{LEVEL: "1"}}
    networks: {{default: {{}}, back: {{aliases: [inner]}}}}
    links: ["db:database"]
  db:
    image: bb:local
    command: {SLEEP}
    volumes: ["data:/var/lib/db", "/var/cache/db"]
    networks: [back]
    mem_limit: 64m
    restart: always
  cache:
    image: bb:local
    command: {SLEEP}
    stop_grace_period: 3s
    read_only: true
    tmpfs: ["/run"]
  job:
    image: bb:local
    command: ["sh", "-c", "exit 0"]
networks:
  back: {{}}
volumes:
  data: {{}}
"""


class Project:
    """The project as its owner uses it, at the engine's own socket."""

    def __init__(self, folder: Path, engine: PrivateEngine) -> None:
        self.folder, self.engine = folder, engine
        (folder / "docker-compose.yml").write_text(FILE)

    def run(self, *arguments: str) -> str:
        """What docker-compose answers."""
        environment = clean_environment(DOCKER_HOST=self.engine.url, COMPOSE_HTTP_TIMEOUT="120")
        command = ["docker-compose", "-p", "shop", "--ansi", "never", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def project(tmp_path: Path, engine: PrivateEngine) -> Project:
    made = Project(tmp_path, engine)
    made.run("up", "-d")
    return made


def listed(terminal: docker.APIClient) -> dict[str, tuple[str, str]]:
    """Id and time of start of each container on the engine, by its name."""
    found = {}
    for each in terminal.containers(all=True):
        seen = terminal.inspect_container(each["Id"])
        found[seen["Name"].lstrip("/")] = (each["Id"], seen["State"]["StartedAt"])
    return found


def adopt(api: Api) -> tuple[Any, dict[str, Any]]:
    """Preview and adopt the project: the stack, and its services by name."""

    def candidate() -> Any:
        rows = [each for each in api.get("adoptioncandidates")["data"] if each["name"] == "shop"]
        return rows[0] if rows and len(rows[0]["containerIds"]) == 4 else None

    found = wait_until(candidate, seconds=90, what="the project among what can be adopted")
    plan = api.act(found, "preview")
    assert (plan["obstacles"], plan["differences"]) == ([], [])
    stack = api.until_state(api.act(found, "adopt", basis=plan["basis"]), "active")
    services = {row["name"]: row for row in api.get(stack["links"]["services"])["data"]}
    states = {name: api.until_state(row, "active", "inactive")["state"] for name, row in services.items()}
    assert states == {"web": "active", "db": "active", "cache": "active", "job": "inactive"}
    return stack, services


def upgrade(api: Api, terminal: docker.APIClient, service: Any, **changes: Any) -> tuple[Any, dict[str, Any]]:
    """Replace a service's container: the service, and the new container as the engine shows it."""
    config = {**service["launchConfig"], **changes}
    api.act(service, "upgrade", inServiceStrategy={"batchSize": 1, "intervalMillis": 100, "launchConfig": config})
    upgraded = api.until_state(service, "upgraded", seconds=120)
    label = "com.docker.compose.service"
    (made,) = [each for each in terminal.containers() if each["Labels"].get(label) == service["name"]]
    return upgraded, terminal.inspect_container(made["Id"])


def roll_back(api: Api, upgraded: Any) -> None:
    api.act(upgraded, "rollback")
    api.until_state(upgraded, "active", seconds=120)


def mounts(terminal: docker.APIClient, key: str) -> dict[str, str]:
    """The names of the volumes of a container, by their paths in it."""
    return {each["Destination"]: each["Name"] for each in terminal.inspect_container(key)["Mounts"]}


def test_a_project_is_adopted_worked_with_and_given_back(
    api: Api, project: Project, terminal: docker.APIClient
) -> None:
    before = listed(terminal)
    assert sorted(before) == ["shop_cache_1", "shop_db_1", "shop_job_1", "shop_web_1"]
    stack, services = adopt(api)
    assert listed(terminal) == before

    api.request("PUT", services["cache"]["links"]["self"], {"scale": 2})
    api.until_state(services["cache"], "active")
    api.until_running("shop_cache_", 2)
    upgraded, seen = upgrade(api, terminal, services["db"], environment={"LEVEL": "2"})
    assert seen["Id"] != before["shop_db_1"][0]
    assert mounts(terminal, seen["Id"]) == mounts(terminal, before["shop_db_1"][0])
    assert list(seen["NetworkSettings"]["Networks"]) == ["shop_back"]
    roll_back(api, upgraded)
    upgraded, seen = upgrade(api, terminal, services["web"], environment={"LEVEL": "2"})
    assert sorted(seen["NetworkSettings"]["Networks"]) == ["shop_back", "shop_default"]
    roll_back(api, upgraded)

    after = listed(terminal)
    assert {name: after[name][0] for name in before} == {name: key for name, (key, _started) in before.items()}
    api.act(api.reload(stack), "giveback")
    api.until_state(stack, "removed", "purged")
    assert listed(terminal) == after
    assert sorted(project.run("ps", "-q", "-a").split()) == sorted(key for key, _started in after.values())
    shown = project.run("ps")
    assert all(name in shown for name in ("shop_web_1", "shop_db_1", "shop_cache_1", "shop_cache_2"))
    project.run("up", "-d", "--no-recreate", "--scale", "cache=2", "web", "db", "cache")
    assert {name: key for name, (key, _started) in listed(terminal).items()} == {
        name: key for name, (key, _started) in after.items()
    }
