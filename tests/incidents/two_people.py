"""The program of two people at one service: what they do, what may be refused, and what has to hold in the end."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

SEED = int(os.environ.get("TWO_PEOPLE_SEED", "3"))
OLD, NEW = "docker:bb:local", "docker:bb:new"
DONE = {200, 202}
REFUSED = {
    (404, "NotFound"),
    (405, "Method not allowed"),
    (409, "ActionNotAvailable"),
    (409, "Conflict"),
    (422, "ActionNotAvailable"),
    (422, "InvalidOption"),
    (422, "InvalidState"),
}
STEADY = {"upgrading": "upgraded", "canceled": "canceled-upgrade", "canceled-rollback": "canceled-rollback"}
ACTIONS = (
    *("upgrade", "scale", "finishupgrade", "rollback") * 4,
    *("cancelupgrade", "cancelrollback", "restart", "deactivate", "activate") * 2,
    "delete",
)
BATCHES = {"batchSize": 2, "intervalMillis": 100}
SCALE = 3

Answer = tuple[str, int, str]  # what was requested, the status, and the code of a refusal


class Response(Protocol):
    """What an API client answers."""

    status: int

    def __getitem__(self, name: str) -> Any: ...


Send = Callable[[str, str, Any], Response]
"""Method, path and body of a request."""


def chance_of(run: int) -> random.Random:
    """What is done when in this run is a sequence by the seed."""
    return random.Random(SEED * 1000 + run)  # noqa: S311 - a sequence, no secret


class Person:
    """Somebody who does one thing after the other, after up to `pause` seconds each, whatever the answers are."""

    def __init__(self, send: Send, path: str, chance: random.Random, pause: float) -> None:
        self._send, self._path, self._chance, self._pause = send, path, chance, pause
        self.answers = list[Answer]()

    def act(self) -> None:
        for _turn in range(6):
            time.sleep(self._chance.uniform(0, self._pause))
            action = self._chance.choice(ACTIONS)
            found = self._request(action)
            code = "" if found.status in DONE else str(found["code"])
            self.answers.append((action, found.status, code))

    def _request(self, action: str) -> Response:
        if action == "delete":
            return self._send("DELETE", self._path, None)
        if action == "scale":
            return self._send("PUT", self._path, {"scale": self._chance.randint(1, 4)})
        image, starts_first = self._chance.choice([OLD, NEW]), self._chance.random() < 0.5
        strategy = {"launchConfig": {"imageUuid": image}, "startFirst": starts_first, **BATCHES}
        body = {"upgrade": {"inServiceStrategy": strategy}, "restart": {"rollingRestartStrategy": BATCHES}}
        return self._send("POST", f"{self._path}?action={action}", body.get(action, {}))


def unexpected(answers: Collection[Answer]) -> set[tuple[int, str]]:
    """The refusals among these that nobody who acts beside somebody else should get."""
    return {(status, code) for _action, status, code in answers if status not in DONE} - REFUSED


@dataclass(frozen=True)
class End:
    """What the portal says of the service at rest, and what its engines have: label and state of each container."""

    desired: str
    phase: str
    state: str
    is_in_transition: bool
    scale: int
    slots: int
    known: frozenset[str]
    boxes: tuple[tuple[str, str], ...]
    message: str = ""

    def check(self) -> None:
        """The portal and the engines have what is desired, once."""
        phase = self.phase if self.desired == "active" else ""
        assert (self.state, self.is_in_transition) == (STEADY.get(phase, self.desired), False), self.message
        found = Counter(label for label, _state in self.boxes)
        assert set(found.values()) <= {1}, "a container is there twice"
        assert set(found) <= self.known, "a container is there that nobody knows"
        running = sum(state == "running" for _label, state in self.boxes)
        assert running == (self.scale if self.desired == "active" else 0)
        is_stopped = self.desired == "inactive" and self.slots <= self.scale
        assert self.slots == running or is_stopped, "stopped, it makes no new ones"
