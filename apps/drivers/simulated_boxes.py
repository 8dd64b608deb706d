"""The containers of a simulated engine: made, started, ended and removed by Docker's rules."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

from apps.drivers.base import EngineConflict, EngineEvent, EngineNotFound
from apps.drivers.simulated_networks import Networks
from apps.drivers.simulated_shell import outcome
from apps.drivers.simulated_streams import Hub
from apps.drivers.simulated_values import Box

_DEADLY = {"KILL": 137, "9": 137, "TERM": 143, "15": 143, "INT": 130, "2": 130, "QUIT": 131, "3": 131}


class Boxes:
    """Every method expects `lock` to be held by the caller."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.networks = Networks()
        self.hub = Hub()
        self.by_id: dict[str, Box] = {}
        self._ids: dict[str, str] = {}
        self._labels: dict[tuple[str, str], dict[str, None]] = {}

    def get(self, reference: str) -> Box:
        """By id, name or the beginning of an id."""
        found = self.by_id.get(reference) or self.by_id.get(self._ids.get(reference.lstrip("/"), ""))
        if found is None and len(reference) >= 4:
            found = next((box for key, box in self.by_id.items() if key.startswith(reference)), None)
        if found is None:
            raise EngineNotFound(f"No such container: {reference}")
        return found

    def labelled(self, label: str, value: str) -> Box | None:
        """The first container that carries this label."""
        return next((self.by_id[key] for key in self._labels.get((label, value), ())), None)

    def make(self, name: str, body: Mapping[str, Any]) -> Box:
        """A new container. Raises `EngineConflict` when the name is in use."""
        self._check_name(name)
        box = Box(secrets.token_hex(32), name, body)
        box.addresses = dict.fromkeys(self.networks.names(box), "")
        self.by_id[box.id] = box
        self._ids[name] = box.id
        for item in (body.get("Labels") or {}).items():
            self._labels.setdefault(item, {})[box.id] = None
        self.tell(box, "create")
        return box

    def _check_name(self, name: str) -> None:
        if name in self._ids:
            raise EngineConflict(
                f'Conflict. The container name "/{name}" is already in use by container "{self._ids[name]}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def rename(self, box: Box, name: str) -> None:
        """Raises `EngineConflict` when the name is in use."""
        self._check_name(name)
        del self._ids[box.name]
        box.name, old = name, box.name
        self._ids[name] = box.id
        self.tell(box, "rename", oldName=f"/{old}")

    def start(self, box: Box) -> None:
        """Raises what keeps it from starting; a running one stays as it is."""
        if box.status == "paused":
            raise EngineConflict("cannot start a paused container, try unpause instead")
        if box.running:
            return
        if box.mode.startswith("container:"):
            self.get(box.mode.partition(":")[2])
        try:
            self.networks.join(box)
        except EngineConflict as error:
            box.error, box.exit_code = str(error), 128
            box.changed()
            raise
        box.status, box.error, box.exit_code, box.oom_killed = "running", "", 0, False
        box.started, box.over = time.time_ns(), threading.Event()
        self.tell(box, "start")
        self._live(box)

    def _live(self, box: Box) -> None:
        done = outcome(box.command, hostname=str(box.body.get("Hostname") or box.id[:12]))
        if done is not None:
            for line in done[0].splitlines():
                self.say(box, line)
            self.ended(box, done[1], lasted=False)
        elif (box.body.get("Healthcheck") or {}).get("Test", ["NONE"]) != ["NONE"]:
            self.health(box, "healthy")

    def health(self, box: Box, status: str) -> None:
        """What its health check says from now on."""
        box.health = status
        self.tell(box, f"health_status: {status}")

    def say(self, box: Box, text: str, stream: str = "stdout") -> None:
        """A line of its output."""
        box.say(text, stream)
        self.news.notify_all()

    def pause(self, box: Box, *, paused: bool) -> None:
        """Freeze or go on."""
        before, after = ("running", "paused") if paused else ("paused", "running")
        if box.status != before:
            raise EngineConflict(f"Container {box.id} is {box.status}")
        box.status = after
        self.tell(box, "pause" if paused else "unpause")

    def kill(self, box: Box, signal: str) -> None:
        """A signal; nobody's restart policy brings back what a person killed."""
        if not box.running:
            raise EngineConflict(f"Cannot kill container: {box.name}: Container {box.id} is not running")
        name = signal.upper().removeprefix("SIG")
        self.tell(box, "kill", signal=name)
        if name in _DEADLY:
            self._end(box, _DEADLY[name])

    def stop(self, box: Box) -> None:
        """As asked; its process listens to TERM."""
        if box.running:
            self.tell(box, "kill", signal="15")
            self._end(box, 143 if box.config.get("Init") else 0)
            self.tell(box, "stop")
        elif box.status == "restarting":
            box.status = "exited"
            self.tell(box, "stop")

    def ended(self, box: Box, code: int, *, oom: bool = False, lasted: bool = True) -> None:
        """Its process ended by itself: here the restart policy counts."""
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
                box.changed()

    def _end(self, box: Box, code: int) -> None:
        self.networks.leave(box)
        box.status, box.exit_code, box.finished, box.health = "exited", code, time.time_ns(), ""
        box.over.set()
        self.tell(box, "die", exitCode=str(code))
        self.news.notify_all()
        if box.config.get("AutoRemove"):
            self._destroy(box)

    def remove(self, box: Box, *, force: bool) -> None:
        """Raises `EngineConflict` for a running one unless `force`."""
        if box.running or box.status == "restarting":
            if not force:
                raise EngineConflict(
                    f"You cannot remove a running container {box.id}. "
                    "Stop the container before attempting removal or force remove"
                )
            if box.running:
                self.kill(box, "KILL")
        if box.id in self.by_id:
            self._destroy(box)

    def _destroy(self, box: Box) -> None:
        del self.by_id[box.id], self._ids[box.name]
        for item in (box.body.get("Labels") or {}).items():
            self._labels[item].pop(box.id, None)
            if not self._labels[item]:
                del self._labels[item]
        self.tell(box, "destroy")

    def tell(self, box: Box, action: str, **more: str) -> None:
        """An event about a container, which has changed then."""
        box.changed()
        attributes = {
            "name": box.name,
            "image": str(box.body.get("Image", "")),
            **(box.body.get("Labels") or {}),
            **more,
        }
        self.hub.tell(EngineEvent(time.time(), "container", action, box.id, attributes))


def _again(box: Box, code: int) -> bool:
    policy = box.config.get("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", int(policy.get("MaximumRetryCount") or 0)
    return name in {"always", "unless-stopped"} or (
        name == "on-failure" and code != 0 and (not most or box.restarts < most)
    )
