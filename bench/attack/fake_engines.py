"""An engine of the attacker's own, which a member may add: what it answers costs the portal memory, and others time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

from bench.attack.victim import Bystander, Victim
from tests.hostile_server import HostileServer, complete, endless_rows, packed_bomb

_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
_SECONDS = 45.0


class FakeEngine:
    """Like any engine until `turn`, then its lists are `flood`."""

    def __init__(self, identity: str) -> None:
        self.flood = ""
        self._info = {"ID": identity, "Name": identity, "NCPU": 4, "MemTotal": 2**33, "ServerVersion": "20.10.24"}
        self._ended = threading.Event()
        self._server = HostileServer.on_port(self._answer)

    @property
    def url(self) -> str:
        return f"tcp://{self._server.address}"

    @property
    def sent_mb(self) -> float:
        return self._server.sent / 1e6

    def close(self) -> None:
        self._ended.set()
        self._server.close()

    def _answer(self, path: str) -> Iterator[bytes]:
        if path == "/events":
            yield from self._events()
        elif self.flood and path == "/containers/json":
            yield from (packed_bomb if self.flood == "packed" else endless_rows)(path)
        else:
            plain = {"/_ping": b"OK", "/info": json.dumps(self._info).encode(), "/volumes": b'{"Volumes": []}'}
            yield complete(plain.get(path, b"[]" if path.endswith("/json") else b"{}"))

    def _events(self) -> Iterator[bytes]:
        yield _OK
        line = b'{"Type":"container","Action":"start","id":"%s","time":1700000000}\n' % (b"a" * 64)
        while not self._ended.is_set():
            if self.flood == "events":
                yield line * 2000
            else:
                self._ended.wait(1)


def fake_engine(victim: Victim) -> Iterator[str]:
    """Lists without end, a packed bomb, and events without end."""
    for flood in ("rows", "packed", "events"):
        engine = FakeEngine(f"attacker-{flood}-{time.time():.0f}")
        try:
            status, made = victim.call("POST", "/v1/engineendpoints", {"url": engine.url})
            if status >= 400:
                yield f"{flood}: refused with {status} {str(made.get('message'))[:80]}"
                continue
            time.sleep(5)
            hosts = victim.call("GET", "/v1/hosts")[1].get("data") or []
            states = [f"{each['state']} {each.get('transitioningMessage') or ''}".strip() for each in hosts]
            yield f"{flood}: before the flood its host is {states[-1:]}"
            before = victim.memory_mb()
            engine.flood = flood
            with Bystander(victim) as bystander:
                top = max(victim.memory_mb() for _ in _ticks())
            engine.flood = ""
            yield (
                f"{flood}: {engine.sent_mb:.0f} MB sent, memory {before:.0f} -> {top:.0f} MB at most;"
                f" a bystander waited {bystander.worst:.2f} s"
            )
        finally:
            engine.close()
    time.sleep(30)
    yield f"half a minute later: {victim.memory_mb():.0f} MB"


def _ticks() -> Iterator[float]:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        yield time.monotonic()
        time.sleep(0.5)
