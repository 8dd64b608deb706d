"""The containers of a simulated engine: made, started, ended and removed by Docker's rules."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from corral_agent.sim import checks
from corral_agent.sim.box import Box
from corral_agent.sim.fate import Fate
from corral_agent.sim.hub import Hub
from corral_agent.sim.networks import Networks
from corral_agent.sim.refusals import Refusal, conflict, missing
from corral_agent.sim.shell import outcome

_DEADLY = {"KILL": 137, "9": 137, "TERM": 143, "15": 143, "INT": 130, "2": 130, "QUIT": 131, "3": 131}


class Boxes:
    """All containers of one engine."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.networks = hub, Networks()
        self.by_id: dict[str, Box] = {}
        self._ids: dict[str, str] = {}

    def __iter__(self) -> Iterator[Box]:
        return iter(self.by_id.values())

    def get(self, reference: str) -> Box:
        """By id, name or the beginning of an id. Raises `Refusal`."""
        found = self.by_id.get(reference) or self.by_id.get(self._ids.get(reference.lstrip("/"), ""))
        if found is None and len(reference) >= 4:
            found = next((box for key, box in self.by_id.items() if key.startswith(reference)), None)
        if found is None:
            raise missing(f"No such container: {reference}")
        return found

    def make(self, name: str, body: Mapping[str, Any]) -> Box:
        """A new container. Raises `Refusal`."""
        name = checks.name(name) if name else f"sim_{secrets.token_hex(4)}"
        checks.body(body)
        self._check_free(name)
        box = Box(secrets.token_hex(32), name, body)
        Fate.of(box).meet("create")
        box.addresses = dict.fromkeys(self.networks.names(box), "")
        self.by_id[box.id], self._ids[name] = box, box.id
        self.tell(box, "create")
        return box

    def _check_free(self, name: str) -> None:
        if name in self._ids:
            raise conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{self._ids[name]}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def rename(self, box: Box, name: str) -> None:
        """Give it another name. Raises `Refusal`."""
        name = checks.name(name)
        self._check_free(name)
        del self._ids[box.name]
        old, box.name = box.name, name
        self._ids[name] = box.id
        self.tell(box, "rename", oldName=f"/{old}")

    def start(self, box: Box) -> bool:
        """Start it; False when it ran already. Raises `Refusal` with what keeps it from starting."""
        if box.running:
            return False
        if box.mode.startswith("container:"):
            self.get(box.mode.partition(":")[2])
        try:
            Fate.of(box).meet("start")
            self.networks.join(box)
        except Refusal as error:
            box.error, box.exit_code = str(error), 128
            raise
        box.status, box.error, box.exit_code, box.oom_killed = "running", "", 0, False
        box.started = time.time_ns()
        self.tell(box, "start")
        self._live(box)
        return True

    def _live(self, box: Box) -> None:
        done = outcome(box.command, hostname=str(box.body.get("Hostname") or box.id[:12]))
        if done is not None:
            for line in done[0].splitlines():
                box.say(line)
            self.ended(box, done[1], lasted=False)
            return
        if (box.body.get("Healthcheck") or {}).get("Test", ["NONE"]) != ["NONE"]:
            self.health(box, "healthy")
        fate = Fate.of(box)
        if fate.after is not None:
            box.fate = asyncio.get_running_loop().call_later(fate.after, self._meet, box, fate)

    def _meet(self, box: Box, fate: Fate) -> None:
        if fate.at == "unhealthy":
            self.health(box, "unhealthy")
        else:
            self.ended(box, 137 if fate.at == "oom" else 1, oom=fate.at == "oom")

    def health(self, box: Box, status: str) -> None:
        """What its health check says from now on."""
        box.health = status
        self.tell(box, f"health_status: {status}")

    def kill(self, box: Box, signal: str) -> None:
        """Send a signal; nobody's restart policy brings back what a person killed. Raises `Refusal`."""
        if not box.running:
            raise conflict(f"Cannot kill container: {box.name}: Container {box.id} is not running")
        name = signal.upper().removeprefix("SIG") or "KILL"
        self.tell(box, "kill", signal=name)
        if name in _DEADLY:
            self._end(box, _DEADLY[name])

    def stop(self, box: Box) -> bool:
        """Stop it, as its process listens to TERM; False when it did not run."""
        if box.status == "restarting":
            box.status = "exited"
            self.tell(box, "stop")
            return True
        if not box.running:
            return False
        self.tell(box, "kill", signal="15")
        self._end(box, 143 if box.config.get("Init") else 0)
        self.tell(box, "stop")
        return True

    def ended(self, box: Box, code: int, *, oom: bool = False, lasted: bool = True) -> None:
        """Its process ended by itself: here the restart policy counts."""
        if not box.running:
            return
        box.oom_killed = oom
        if oom:
            self.tell(box, "oom")
        again = _again(box, code)
        self._end(box, code)
        if again and box.id in self.by_id:
            box.restarts += 1
            if lasted:
                self.start(box)
            else:
                box.status = "restarting"  # what ends at once would be started for ever

    def _end(self, box: Box, code: int) -> None:
        if box.fate is not None:
            box.fate.cancel()
            box.fate = None
        self.networks.leave(box)
        box.status, box.exit_code, box.finished, box.health = "exited", code, time.time_ns(), ""
        self.tell(box, "die", exitCode=str(code))
        box.tell()
        if box.config.get("AutoRemove"):
            self._destroy(box)

    def remove(self, box: Box, *, force: bool) -> None:
        """Raises `Refusal` for a running one unless `force`."""
        if box.running or box.status == "restarting":
            if not force:
                raise conflict(
                    f"You cannot remove a running container {box.id}. "
                    "Stop the container before attempting removal or force remove"
                )
            if box.running:
                self.kill(box, "KILL")
        if box.id in self.by_id:
            self._destroy(box)

    def _destroy(self, box: Box) -> None:
        del self.by_id[box.id], self._ids[box.name]
        self.tell(box, "destroy")
        box.tell()

    def tell(self, box: Box, action: str, **more: str) -> None:
        """An event about a container."""
        self.hub.tell("container", action, box.id, {"name": box.name, "image": box.image, **box.labels, **more})


def _again(box: Box, code: int) -> bool:
    policy = box.config.get("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", int(policy.get("MaximumRetryCount") or 0)
    return name in {"always", "unless-stopped"} or (
        name == "on-failure" and code != 0 and (not most or box.restarts < most)
    )
