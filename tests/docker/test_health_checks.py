"""Containers that answer 500 are found and replaced: by the portal on its own machine, by the agent elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.docker.agent_process import AgentProcess
from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker

CHECK = {"port": 80, "requestLine": "GET /cgi-bin/up HTTP/1.0", "interval": 500, "responseTimeout": 500}
# Counts how often it is asked, and answers what stands in a file.
SERVER = r"""mkdir -p /www/cgi-bin
cat > /www/cgi-bin/up <<'END'
#!/bin/sh
echo asked >> /tmp/asked
printf "Status: $(cat /tmp/status 2>/dev/null || echo 200 OK)\r\n\r\n"
END
chmod +x /www/cgi-bin/up
exec serve
"""


class Web:
    """A service with a health check on every container, and what one does to them from the engine's console."""

    def __init__(
        self, api: Api, terminal: docker.APIClient, stack: str, scale: int = 2, launch: Any = None, **check: Any
    ) -> None:
        self.api, self.terminal, self.prefix = api, terminal, f"{stack}_web_"
        wanted = {"command": ["sh", "-c", SERVER], "healthCheck": {**CHECK, **check}, **(launch or {})}
        self.stack, self.service = api.deploy(stack, "web", scale, **wanted)

    def health(self) -> dict[str, str]:
        """By the engine's id."""
        return {row["externalId"]: row["healthState"] for row in self.api.containers(self.prefix) if row["externalId"]}

    def until_health(self, *states: str, seconds: float = 120) -> list[str]:
        """The engine's ids by name, once the containers are so."""
        wait_until(
            lambda: sorted(self.health().values()) == sorted(states), seconds=seconds, what=f"{states}", pause=0.02
        )
        return [row["externalId"] for row in self.api.containers(self.prefix)]

    def run(self, box: str, command: str) -> str:
        made = self.terminal.exec_create(box, ["sh", "-c", command])
        return str(self.terminal.exec_start(made["Id"]).decode())

    def answers(self, box: str, status: str) -> None:
        """From now on."""
        self.run(box, f"echo '{status}' > /tmp/status")

    def asked(self, box: str) -> int:
        """How often a check has asked it."""
        return int(self.run(box, "wc -l < /tmp/asked"))

    def remove(self) -> None:
        self.api.delete(self.stack)
        self.api.until_state(self.stack, "removed", "purged", seconds=60)


def test_a_container_that_answers_500_is_replaced_and_the_others_stay(
    api: Api, terminal: docker.APIClient, portal: PortalProcess
) -> None:
    web = Web(api, terminal, "ill")
    first, second = web.until_health("healthy", "healthy")
    assert api.reload(web.service)["healthState"] == "healthy"
    web.answers(first, "500 Oops")
    wait_until(lambda: first not in web.health() and len(web.health()) == 2, seconds=120, what="another container")
    new, same = web.until_health("healthy", "healthy")
    assert (same, new == first) == (second, False)
    reasons = portal.rows("SELECT kind, reason FROM containers_containerevent ORDER BY id")
    assert ("unhealthy", "HTTP status 500") in reasons
    assert ("replaced", "ill_web_1: its health check failed (HTTP status 500).") in reasons
    web.remove()


def test_one_that_ignores_the_signal_to_stop_is_replaced_before_its_engine_kills_it(
    api: Api, terminal: docker.APIClient
) -> None:
    # As process 1 a program without a handler ignores TERM.
    command = ["sh", "-c", SERVER.replace("exec serve", "exec httpd -f -p 80 -h /www")]
    web = Web(api, terminal, "deaf", 1, {"command": command, "ports": [], "stopTimeout": 300})
    (old,) = web.until_health("healthy")
    web.answers(old, "500 Oops")
    (new,) = wait_until(
        lambda: [box for box, state in web.health().items() if box != old and state == "healthy"],
        seconds=120,
        what="a healthy successor",
    )
    names = {each["Id"]: each["Names"][0] for each in terminal.containers()}
    assert names[new] == "/deaf_web_1"
    assert names[old].startswith("/deaf_web_1_"), "it still runs"
    terminal.kill(old)
    wait_until(lambda: list(web.health()) == [new], seconds=60, what="the old one's end")
    api.delete(web.stack)
    api.until_state(api.containers("deaf_web_")[0], "removing")
    terminal.kill(new)
    api.until_state(web.stack, "removed", "purged")


def test_without_a_strategy_it_is_reported_and_gets_well_again(api: Api, terminal: docker.APIClient) -> None:
    web = Web(api, terminal, "sick", 1, strategy="none")
    (box,) = web.until_health("healthy")
    web.answers(box, "503 Busy")
    assert web.until_health("unhealthy") == [box]
    web.answers(box, "200 OK")
    assert web.until_health("healthy") == [box]
    web.remove()


@pytest.fixture
def far(new_portal: Callable[..., PortalProcess], engine: PrivateEngine, tmp_path: Path) -> Iterator[PortalProcess]:
    """A portal with one host, behind an agent."""
    portal = new_portal("unix:///nonexistent.sock")
    portal.start()
    agent, api = AgentProcess(tmp_path, engine), portal.api()
    token = wait_until(
        lambda: [row for row in api.get("registrationtokens")["data"] if row["command"]], seconds=60, what="a token"
    )
    agent.start(token[0]["command"].split(" ")[-1])
    wait_until(
        lambda: [row for row in api.get("hosts")["data"] if row["state"] == "active"], seconds=120, what="the host"
    )
    yield portal
    agent.end(signal.SIGKILL)
    if portal.process is not None:
        portal.end()


def test_an_agent_goes_on_checking_without_the_portal_and_reports_when_it_is_back(
    far: PortalProcess, terminal: docker.APIClient
) -> None:
    api = far.api()
    web = Web(api, terminal, "far")
    first, second = web.until_health("healthy", "healthy")
    far.end(signal.SIGKILL)
    before = web.asked(second)
    web.answers(first, "500 Oops")
    wait_until(lambda: web.asked(second) > before + 6, seconds=120, what="checks without the portal")
    assert {each["Id"] for each in terminal.containers()} >= {first, second}, "only the portal replaces anything"
    far.start()
    wait_until(lambda: first not in web.health() and len(web.health()) == 2, seconds=60, what="another container")
    new, same = web.until_health("healthy", "healthy", seconds=60)
    assert (same, new == first) == (second, False)
    web.remove()
