"""Logs of many containers side by side, and commands inside a container, over the portal's WebSockets."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, PortalApi
from corral_cli.session import CliSession
from corral_cli.terminal import NAME_COLORS, printable
from corral_cli.transport import MessageSocket

MAX_STREAMS = 50
_MAX_WAITING = 10_000


@dataclass(frozen=True)
class LogRequest:
    """How much of a log to show: the last `lines`, those `since` a time (RFC 3339, see `log_time.py`)."""

    lines: int = 100
    since: str = ""
    follow: bool = False
    timestamps: bool = False


@dataclass(frozen=True)
class ContainerLine:
    """A line of a container's log; `end` is why there is no further one."""

    name: str
    stream: str = ""
    at: str = ""
    text: str = ""
    end: str | None = None


def show_logs(session: CliSession, containers: list[Json], request: LogRequest) -> int:
    """Print the logs of the containers: in the order of time, or as they come where they are followed."""
    terminal = session.terminal
    if not containers:
        raise CliError("There is no container to show logs of.", ExitCode.NOT_FOUND)
    if len(containers) > MAX_STREAMS:
        raise CliError(f"These are {len(containers)} containers; name at most {MAX_STREAMS} at a time.", ExitCode.USAGE)
    width = max(len(str(each["name"])) for each in containers)
    names = [str(each["name"]) for each in containers]
    lines = _lines_of(session.api, containers, request)
    is_whole = True
    try:
        for line in lines if request.follow else sorted(lines, key=lambda each: each.at):
            if line.end is not None:
                if line.end:
                    is_whole = False
                    terminal.note(f"{printable(line.name)}: {printable(line.end)}")
                continue
            head = ""
            if len(containers) > 1:
                color = NAME_COLORS[names.index(line.name) % len(NAME_COLORS)]
                head = terminal.color(f"{printable(line.name).ljust(width)} | ", color)
            at = f"{line.at} " if request.timestamps else ""
            terminal.print(f"{head}{at}{line.text}")
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if is_whole or request.follow else ExitCode.FAILED  # what is followed ends one day, for a reason


def _lines_of(api: PortalApi, containers: list[Json], request: LogRequest) -> Iterator[ContainerLine]:
    """The lines of all of them as they come; a container that cannot be read does not hide the others."""
    found: queue.Queue[ContainerLine] = queue.Queue(_MAX_WAITING)
    sockets = [_open_log(api, each, request) for each in containers]
    for container, connection in zip(containers, sockets):
        arguments = (str(container["name"]), connection, found)
        threading.Thread(target=_read_log, args=arguments, daemon=True).start()
    left = len(sockets)
    try:
        while left:
            line = _next(found)
            left -= line.end is not None
            yield line
    finally:
        for connection in sockets:
            connection.close()


def _next(found: queue.Queue[ContainerLine]) -> ContainerLine:
    """The next line; looked for again and again, since a wait without an end cannot be interrupted everywhere."""
    while True:
        with contextlib.suppress(queue.Empty):
            return found.get(timeout=1)


def _open_log(api: PortalApi, container: Json, request: LogRequest) -> MessageSocket:
    access = api.act(container, "logs", {"lines": request.lines, "follow": request.follow})
    more = {"since": request.since} if request.since else {}
    return api.open_socket("/ws/logs", token=access["token"], **more)


def _read_log(name: str, connection: MessageSocket, found: queue.Queue[ContainerLine]) -> None:
    end = ""
    try:
        while connection.closed is None:
            message = connection.receive(5)
            data = json.loads(message) if message else {}
            if data.get("type") == "lines":
                for stream, at, text in data["lines"]:
                    found.put(ContainerLine(name, str(stream), str(at), str(text)))
            elif data.get("type") == "end":
                end = str(data.get("reason") or "")
                break
        else:
            end = connection.closed or ""
    except (ValueError, TypeError, OSError) as error:
        end = f"the log cannot be read: {error}"
    found.put(ContainerLine(name, end=end))


def run_in_container(session: CliSession, container: Json, command: list[str], *, attach: bool, tty: bool) -> int:
    """Run the command inside the container, with a terminal or without one, and return its exit code.

    Without a terminal its input and output are passed on byte by byte, and what it writes to stderr goes there.
    """
    body = {"command": command, "attachStdin": attach, "attachStdout": True, "tty": tty}
    access = session.api.act(container, "execute", body)
    connection = session.api.open_socket("/ws/shell", token=access["token"])
    from corral_cli.raw_mode import raw_terminal

    try:
        with raw_terminal(session.terminal, connection, attach=attach, tty=tty):
            return _show_output(session, connection) if tty else _pass_output(session, connection)
    finally:
        connection.close()


def _show_output(session: CliSession, connection: MessageSocket) -> int:
    out = session.terminal.out
    is_person = out.isatty()
    while connection.closed is None:
        message = connection.receive(5)
        if isinstance(message, bytes):
            text = message.decode("utf-8", "replace")
            out.write(text if is_person else text.replace("\r\n", "\n"))
            out.flush()
        elif message:
            data = json.loads(message)
            if data.get("type") == "end":
                return _exit_code(data)
    raise CliError(f"The connection to the container ended: {connection.closed or 'it was closed'}.", ExitCode.FAILED)


def _pass_output(session: CliSession, connection: MessageSocket) -> int:
    """Pass both streams on as they are; the first byte of each message says which one it is of."""
    terminal = session.terminal
    while connection.closed is None:
        message = connection.receive(5)
        if isinstance(message, bytes):
            terminal.pass_on(message[1:], is_error=message[:1] == b"\x02")
        elif message:
            data = json.loads(message)
            if data.get("type") == "end":
                return _exit_code(data)
    raise CliError(f"The connection to the container ended: {connection.closed or 'it was closed'}.", ExitCode.FAILED)


def _exit_code(data: Json) -> int:
    if data.get("code") is None:
        raise CliError(printable(data.get("reason") or "The command ended without an exit code."), ExitCode.FAILED)
    return int(data["code"])
