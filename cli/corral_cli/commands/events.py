"""`events`: what changes in the environment, as it changes."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from datetime import datetime, timezone
from typing import Any

from corral_cli.errors import CliError, ExitCode
from corral_cli.output import show_data
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--type", action="append", default=[], help="only these: service, container, host, ... (again: more)"
    )
    parser.add_argument("--count", type=int, default=0, help="end after so many")


def _run(session: CliSession, options: Namespace) -> int:
    api = session.api
    connection = api.open_socket(f"/v1/projects/{api.project['id']}/subscribe", eventNames="resource.change")
    shown = 0
    try:
        while connection.closed is None:
            resource = _changed(connection.receive(10))
            if resource is None or (options.type and resource.get("type") not in options.type):
                continue
            _show(session, resource)
            shown += 1
            if shown == options.count:
                return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    finally:
        connection.close()
    raise CliError(f"The portal ended the subscription: {connection.closed or 'it stopped'}.", ExitCode.UNREACHABLE)


def _changed(message: str | bytes | None) -> Json | None:
    """The resource of an event, None for a ping."""
    event: Any = json.loads(message) if message else {}
    found = (event.get("data") or {}).get("resource") if event.get("name") == "resource.change" else None
    return found if isinstance(found, dict) else None


def _show(session: CliSession, resource: Json) -> None:
    if session.format == "json":  # a line each, for programs that read while it goes on
        session.terminal.print(json.dumps(resource))
        return
    if session.format != "table":
        show_data(session.terminal, session.format, [resource])
        return
    now = datetime.now(timezone.utc).strftime("%H:%M:%S")
    words = (resource.get("type"), resource.get("id"), resource.get("name"), resource.get("state"))
    why = printable(resource.get("transitioningMessage") or "")
    session.terminal.print(f"{now}  {'  '.join(printable(each) for each in words)}{f'  ({why})' if why else ''}")


PROVIDES = {"events": CliCommand(_arguments, _run)}
