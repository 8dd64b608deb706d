"""The attacked portal: raw connections to it, and how long a bystander waits meanwhile."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from bench.measurement import cpu_seconds, memory_mb


@dataclass(frozen=True)
class Victim:
    """Where the portal is, and the key of somebody who may use it."""

    host: str
    port: int
    key: str = ""
    account_key: str = ""
    pids: tuple[int, ...] = ()

    @classmethod
    def at(cls, url: str, key: str, account_key: str = "", pids: Sequence[int] = ()) -> Self:
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or 80, key, account_key, tuple(pids))

    def memory_mb(self) -> float:
        """What its processes hold now; nothing if they are not known."""
        return memory_mb(self.pids)

    def cpu_seconds(self) -> float:
        """The processor time that its processes have used."""
        return cpu_seconds(self.pids)

    def connect(self, timeout: float = 30) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=timeout)

    @property
    def basic(self) -> str:
        """The value of the header of the key."""
        return f"Basic {base64.b64encode(self.key.encode()).decode()}"

    @property
    def authorization(self) -> str:
        return f"Authorization: {self.basic}\r\n" if self.key else ""

    def call(self, method: str, path: str, body: Any = None, *, account: bool = False) -> tuple[int, dict[str, Any]]:
        """One request of a client that means well so far, with the key or that of the account; status and JSON."""
        access, _, secret = (self.account_key if account else self.key).partition(":")
        answer = requests.request(
            method, f"http://{self.host}:{self.port}{path}", json=body, auth=(access, secret), timeout=300
        )
        try:
            found = answer.json()
        except requests.JSONDecodeError:
            found = {}
        return answer.status_code, found if isinstance(found, dict) else {}

    def request(self, method: str, path: str, body: bytes = b"", headers: str = "") -> str:
        """One request on a connection of its own; what `answer_of` says of it."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n{self.authorization}{headers}"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        with self.connect(120) as connection:
            connection.sendall(head.encode() + b"\r\n" + body)
            return answer_of(connection)


def answer_of(connection: socket.socket, seconds: float = 120) -> str:
    """The status of the answer, or how the connection ended."""
    connection.settimeout(seconds)
    try:
        head = connection.recv(4096)
    except TimeoutError:
        return "none"
    except OSError as error:
        return type(error).__name__
    return head.split(b" ", 2)[1].decode() if head.startswith(b"HTTP/") else "closed"


class Bystander(AbstractContextManager["Bystander"]):
    """Somebody who loads the log-in page again and again; `worst` is the longest wait in seconds."""

    def __init__(self, victim: Victim) -> None:
        self.worst = 0.0
        self.refused = 0
        self._victim = victim
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            began = time.monotonic()
            try:
                answer = self._victim.request("GET", "/login")
            except OSError as error:
                answer = type(error).__name__
            self.worst = max(self.worst, time.monotonic() - began)
            self.refused += not answer.startswith(("2", "3"))
            self._done.wait(0.1)
