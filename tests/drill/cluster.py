"""The drill ground: a portal, three hosts with agents, and a service of six containers that must survive it all."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.drill.host_agent import HostAgent
from tests.fleet.commands import run
from tests.fleet.fleet import Fleet

STACK, SERVICE, SCALE = "drill", "web", 6
PREFIX = f"{STACK}_{SERVICE}_"


@dataclass
class DrillCluster:
    """Everything a drill acts on; `api` speaks to the portal that stands now."""

    fleet: Fleet
    portal: PortalProcess
    api: Api
    agents: dict[int, HostAgent] = field(default_factory=dict)

    @classmethod
    def prepare(cls, fleet: Fleet, folder: Path) -> DrillCluster:
        """A portal and three registered hosts."""
        portal = PortalProcess(
            _mount_small_disk(folder) / "portal", "unix:///nonexistent.sock", BIND=fleet.switch.portal
        )
        portal.data_dir.mkdir()
        portal.start()
        made = cls(fleet, portal, portal.api(), {n: HostAgent(host) for n, host in fleet.hosts.items()})
        made.register()
        return made

    def register(self) -> None:
        """Paste the command on every host, and wait until all are there."""
        url = registration_url(self.api)
        for agent in self.agents.values():
            agent.end()
            agent.start(url)
        self.wait_for_hosts(active=len(self.agents), seconds=120)

    def deploy(self) -> None:
        """The service, two containers to a host."""
        self.api.deploy(STACK, SERVICE, SCALE)
        self.wait_until_consistent(seconds=60)

    def service(self) -> Any:
        return next(row for row in self.api.get("services")["data"] if row["name"] == SERVICE)

    def scale(self, count: int) -> None:
        row = self.service()
        self.api.request("PUT", row["links"]["self"], {"scale": count})

    def hosts(self) -> dict[str, Any]:
        """The hosts as the portal shows them, by name."""
        rows = self.api.get("hosts?removed_null=1")["data"]
        return {row["hostname"] or row["name"]: row for row in rows}

    def wait_for_hosts(self, *, active: int, seconds: float = 120) -> dict[str, Any]:
        """The hosts, once exactly so many are active."""

        def check() -> dict[str, Any]:
            rows = self.hosts()
            there = [row for row in rows.values() if row["agentState"] == "active" and row["state"] == "active"]
            return rows if len(there) == active else {}

        try:
            return wait_until(check, seconds=seconds, what=f"{active} active hosts", pause=0.2)
        except AssertionError:
            states = {name: (row["state"], row["agentState"]) for name, row in self.hosts().items()}
            logs = {number: agent.log_tail()[-300:] for number, agent in self.agents.items()}
            raise AssertionError(f"{active} hosts should be active: {states}; {logs}") from None

    def wait_until_lost(self, name: str, *, seconds: float = 120) -> Any:
        """The host, once the portal shows that it is away."""

        def check() -> Any:
            row = self.hosts()[name]
            return row if {row["state"], row["agentState"]} & {"reconnecting", "disconnected"} else None

        return wait_until(check, seconds=seconds, what=f"{name} lost", pause=0.2)

    def check_responsive(self, count: int = SCALE) -> None:
        """What is asked for is done: a container restarts when it is told to."""
        row = self.api.containers(PREFIX)[0]
        self.api.until_state(self.api.act(row, "restart"), "running")
        more = lambda: [r for r in self.api.containers(row["name"]) if r["startCount"] > row["startCount"]]  # noqa: E731
        now = wait_until(more, seconds=60, what="a restart")
        assert self.wait_until_consistent(count)[row["name"]]["id"] == now[0]["externalId"]

    def engine_containers(self, prefix: str = PREFIX) -> dict[str, dict[str, Any]]:
        """What the engines themselves say, by name: id, host, state, when it was started.

        One host is looked at after the other, and meanwhile a container may have been replaced: a name that is on two
        is a double only if the first is still there after the second was seen.
        """
        found: dict[str, dict[str, Any]] = {}
        hosts = {host.name: host for host in self.fleet.hosts.values()}
        for host in hosts.values():
            for each in host.terminal.containers(all=True, filters={"name": prefix}):
                name = each["Names"][0].lstrip("/")
                if (first := found.get(name)) is not None:
                    left = {one["Id"] for one in hosts[first["host"]].terminal.containers(all=True)}
                    assert first["id"] not in left, f"{name} is on {host.name} and on {first['host']}"
                with contextlib.suppress(docker.errors.NotFound):  # it is just leaving
                    started = host.terminal.inspect_container(each["Id"])["State"]["StartedAt"]
                    found[name] = {"id": each["Id"], "host": host.name, "state": each["State"], "started": started}
        return found

    def wait_until_consistent(self, count: int = SCALE, *, seconds: float = 60) -> dict[str, dict[str, Any]]:
        """What the engines have, once it is what the portal shows: so many, all running, none beside them."""
        why: list[str] = []

        def check() -> dict[str, dict[str, Any]]:
            why[:] = [self._difference(count)]
            return {} if why[0] else self.engine_containers()

        try:
            return wait_until(check, seconds=seconds, what="everything whole", pause=0.3)
        except AssertionError:
            raise AssertionError(f"not whole within {seconds} s: {why[0]}") from None

    def _difference(self, count: int) -> str:
        rows = {row["name"]: row for row in self.api.containers(PREFIX)}
        names = {row["id"]: row["hostname"] for row in self.api.get("hosts")["data"]}
        states = {name: (row["externalId"], names.get(row["hostId"]), row["state"]) for name, row in rows.items()}
        there = {name: (each["id"], each["host"], each["state"]) for name, each in self.engine_containers().items()}
        if len(states) != count:
            return f"the portal shows {len(states)} and not {count}: {states}"
        return "" if states == there and {s for _, _, s in there.values()} == {"running"} else f"{states} != {there}"

    def close(self) -> None:
        """End everything that was started."""
        for agent in self.agents.values():
            agent.end(signal.SIGKILL)
        if self.portal.process is not None:
            self.portal.end(signal.SIGKILL)


def registration_url(api: Api) -> str:
    """The last word of the command, as people paste it."""

    def check() -> str:
        rows = api.get("registrationtokens")["data"]
        return str(rows[0]["command"].split(" ")[-1]) if rows and rows[0]["command"] else ""

    return wait_until(check, seconds=60, what="a registration command")


def _mount_small_disk(folder: Path) -> Path:
    """A disk that can be filled without harm to anybody else; it goes with the fleet."""
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=96m", "portal", str(folder))
    return folder
