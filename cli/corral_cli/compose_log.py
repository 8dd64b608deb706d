"""What is said while a stack is brought up, in the words of rancher-compose: scripts look for them."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from corral_cli.terminal import UserTerminal, printable

_LEVELS = {"DEBU": "debug", "INFO": "info", "WARN": "warning", "ERRO": "error", "FATA": "fatal"}
_COLORS = {"INFO": "cyan", "WARN": "yellow", "ERRO": "red", "FATA": "red"}


class ComposeLog:
    """Lines about one project; how many of its services are up stands before each service's name."""

    def __init__(self, terminal: UserTerminal, project: str) -> None:
        self._terminal = terminal
        self._project = project
        self._total = 0
        self._up: set[str] = set()

    def expect(self, services: int) -> None:
        """How many services there are."""
        self._total = services

    def project(self, event: str, level: str = "INFO") -> None:
        """An event of the whole project."""
        self.line(level, f"Project [{self._project}]: {event}")

    def service(self, name: str, event: str, level: str = "INFO") -> None:
        """An event of one of its services."""
        if event == "Started":
            self._up.add(name)
        self.line(level, f"[{len(self._up)}/{self._total}] [{name}]: {event}")

    def info(self, text: str) -> None:
        """A plain line."""
        self.line("INFO", text)

    def warn(self, text: str) -> None:
        """A line that somebody should read."""
        self.line("WARN", text)

    def debug(self, text: str) -> None:
        """A line for those who said --verbose."""
        self.line("DEBU", text)

    def line(self, level: str, text: str) -> None:
        """One line: short on a terminal, with its time in a pipe, as rancher-compose's logger does both."""
        if level == "DEBU" and not self._terminal.verbose:
            return
        text = printable(text)
        if self._terminal.err.isatty():
            seconds = int(self._terminal.now() - self._terminal.started)
            head = level if level not in _COLORS else self._terminal.color(level, _COLORS[level])
            self._terminal.note(f"{head}[{seconds:04d}] {text}")
            return
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._terminal.note(f'time="{now}" level={_LEVELS[level]} msg={json.dumps(text, ensure_ascii=False)}')
