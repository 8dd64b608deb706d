"""Little that is sent, and much work: one change that a hundred listeners hear, one file of five hundred services."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from bench.attack.victim import Bystander, Victim

_SOCKETS, _CONTAINERS, _CHANGES = 100, 300, 3
_SETTLE = 20.0


def subscribers(victim: Victim) -> Iterator[str]:
    """A hundred sockets of one key, and three changes of a service of three hundred containers."""
    mark = f"sub{time.time():.0f}"
    _status, stack = victim.call("POST", "/v1/environments", {"name": mark})
    wanted = {"name": "web", "environmentId": stack["id"], "scale": _CONTAINERS, "startOnCreate": True}
    launch = {"launchConfig": {"imageUuid": "docker:nobody/has:this"}}
    _status, service = victim.call("POST", "/v1/services", {**wanted, **launch})
    time.sleep(_SETTLE)
    ended = threading.Event()
    heard = [0]
    threads = [threading.Thread(target=_listen, args=(victim, ended, heard), daemon=True) for _ in range(_SOCKETS)]
    for each in threads:
        each.start()
    time.sleep(5)
    spent, frames = victim.cpu_seconds(), heard[0]
    with Bystander(victim) as bystander:
        for number in range(_CHANGES):
            victim.call("PUT", f"/v1/services/{service['id']}", {"description": f"change {number}"})
            time.sleep(2)
        time.sleep(_SETTLE)
    yield (
        f"{_CHANGES} changes, {_SOCKETS} sockets: {victim.cpu_seconds() - spent:.1f} s of processor time in"
        f" {_SETTLE + 2 * _CHANGES:.0f} s, {heard[0] - frames} frames; a bystander waited {bystander.worst:.2f} s"
    )
    ended.set()
    spent = victim.cpu_seconds()
    time.sleep(_SETTLE)
    yield f"the same without sockets and changes: {victim.cpu_seconds() - spent:.1f} s in {_SETTLE:.0f} s"
    victim.call("DELETE", f"/v1/environments/{stack['id']}")


def _listen(victim: Victim, ended: threading.Event, heard: list[int]) -> None:
    url = f"ws://{victim.host}:{victim.port}/v1/subscribe?eventNames=resource.change"
    try:
        with connect(url, additional_headers={"Authorization": victim.basic}, open_timeout=60) as socket:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    socket.recv(1)
                    heard[0] += 1
    except (OSError, WebSocketException):
        return  # refused, or cut off


def large_import(victim: Victim) -> Iterator[str]:
    """Five hundred services in one file, and a file of which every line is a warning."""
    services = "".join(f"s{number}:\n  image: nobody/has:this\n" for number in range(500))
    warnings = "web:\n  image: a\n" + "".join(f"  x{number}: 1\n" for number in range(18_000))
    for what, text in (("500 services", services), ("18,000 unknown keys", warnings)):
        body = {"name": f"big{time.time():.0f}", "dockerCompose": text, "startOnCreate": False}
        spent = victim.cpu_seconds()
        with Bystander(victim) as bystander:
            began = time.monotonic()
            status, made = victim.call("POST", "/v1/environments", body)
            took = time.monotonic() - began
        yield (
            f"{what}: answer {status}, {len(str(made)):,} characters, after {took:.2f} s,"
            f" {victim.cpu_seconds() - spent:.1f} s of processor time; a bystander waited {bystander.worst:.2f} s"
        )
        if "id" in made:
            victim.call("DELETE", f"/v1/environments/{made['id']}")
