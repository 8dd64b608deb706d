"""Runs command lines in this process, against the portal's own views; waiting runs the reconciler."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from corral_cli.errors import CliError, ExitCode
from corral_cli.program import run
from corral_cli.terminal import UserTerminal
from corral_cli.transport import FileAnswer, HttpAnswer, HttpTransport, MessageSocket
from tests.wire.api_client import run_until_idle

_client = Client()  # shared: it loads the middleware once


class ScriptedSocket:
    """A WebSocket that sends what it was given, then closes; what it is sent is kept."""

    def __init__(self, *messages: Any, reason: str = "") -> None:
        self._messages = [each if isinstance(each, str | bytes) else json.dumps(each) for each in messages]
        self._reason = reason
        self.sent: list[str | bytes] = []
        self.closed: str | None = None

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        if self._messages:
            return self._messages.pop(0)
        self.closed = self._reason
        return None

    def send(self, message: str | bytes) -> None:
        self.sent.append(message)

    def close(self) -> None:
        self.closed = self.closed or ""


@dataclass
class PortalTransport:
    """Requests to the portal of this process; what was requested is kept."""

    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    sockets: list[ScriptedSocket] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    failures: list[CliError] = field(default_factory=list)
    outside: tuple[str, ...] = ()  # addresses of other servers, which are called over the network

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        if url.startswith(self.outside):
            return HttpTransport(timeout=20).send(method, url, headers, body)
        path = self._path(url)
        self.requests.append((method, path, json.loads(body) if body else None))
        if self.failures:
            raise self.failures.pop(0)
        _client.cookies.clear()
        found = _client.generic(method, path, body or b"", content_type="application/json", headers=dict(headers))
        answer = {name.lower(): value for name, value in found.headers.items()}
        return HttpAnswer(found.status_code, answer, found.content)

    def send_file(self, url: str, headers: Mapping[str, str], pieces: Iterable[bytes], size: int | None) -> HttpAnswer:
        path = self._path(url)
        body = b"".join(pieces)
        assert size in {None, len(body)}
        self.requests.append(("POST", path, None))
        _client.cookies.clear()
        found = _client.generic("POST", path, body, content_type=headers["Content-Type"], headers=dict(headers))
        return HttpAnswer(
            found.status_code, {name.lower(): value for name, value in found.headers.items()}, found.content
        )

    @contextmanager
    def receive_file(self, url: str, headers: Mapping[str, str]) -> Iterator[FileAnswer]:
        path = self._path(url)
        self.requests.append(("GET", path, None))
        _client.cookies.clear()
        found: Any = _client.get(path, headers=dict(headers))
        pieces = iter(found.streaming_content) if found.streaming else iter([found.content])
        yield FileAnswer(found.status_code, {name.lower(): value for name, value in found.headers.items()}, pieces)

    @staticmethod
    def _path(url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def open_socket(self, url: str, headers: Mapping[str, str]) -> MessageSocket:
        self.opened.append(url)
        if not self.sockets:
            raise CliError("nothing is scripted for a socket", ExitCode.UNREACHABLE)
        return self.sockets.pop(0)


@dataclass
class CommandResult:
    """How a command line ended."""

    code: int
    out: str
    err: str
    transport: PortalTransport

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def calls(self) -> list[str]:
        """What was requested, without the part that every path begins with."""
        return [f"{method} {_short(path)}" for method, path, _body in self.transport.requests]

    @property
    def messages(self) -> list[str]:
        """What rancher-compose says, without the time."""
        return [line.partition("msg=")[2].strip('"') for line in self.err.splitlines() if "msg=" in line]


def _short(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[4:]) if path.startswith("/v1/projects/") and len(parts) > 4 else path


class _Stream(io.StringIO):
    def __init__(self, text: str = "", *, tty: bool = False) -> None:
        super().__init__(text)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@dataclass
class CommandLine:
    """Somebody's shell: a folder, variables, and a portal behind `run`."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    program: str = "corral"
    while_waiting: Callable[[], object] = run_until_idle

    def __post_init__(self) -> None:
        self.environ.setdefault("CORRAL_CONFIG", str(self.folder / "config.json"))
        self.transport = PortalTransport()

    def sleep(self, seconds: float) -> None:
        """Time passes, and with it the portal does its work."""
        self.seconds += seconds
        self.while_waiting()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def run(self, *arguments: str, stdin: str = "", tty: bool = False, program: str = "") -> CommandResult:
        """Run a command line to its end."""
        out, err = _Stream(tty=tty), _Stream(tty=tty)
        terminal = UserTerminal(
            out,
            err,
            _Stream(stdin, tty=tty),
            dict(self.environ),
            sleep=self.sleep,
            now=lambda: self.seconds,
            folder=str(self.folder),
        )
        before = self.transport
        self.transport = PortalTransport(sockets=before.sockets, failures=before.failures, outside=before.outside)
        code = run(arguments, terminal, program=program or self.program, connect=lambda _ca: self.transport)
        return CommandResult(code, out.getvalue(), err.getvalue(), self.transport)

    def succeed(self, *arguments: str, **more: Any) -> CommandResult:
        """Run a command line that must end well."""
        found = self.run(*arguments, **more)
        assert found.code == 0, (found.code, found.out, found.err)
        return found

    def fail(self, *arguments: str, **more: Any) -> CommandResult:
        """Run a command line that must be refused, with one line and no traceback."""
        found = self.run(*arguments, **more)
        assert found.code != 0, found.out
        assert "Traceback" not in found.err
        last = found.err.strip().splitlines()[-1].rpartition("[y/N] ")[2]
        assert last.startswith(("corral", "rancher-compose")), found.err
        return found
