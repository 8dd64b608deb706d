"""`audit`: the last entries, and whether any was changed since it was written."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.errors import CliError, ExitCode
from corral_cli.output import show_rows
from corral_cli.session import CliCommand, CliSession


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("ls", "verify"), default="ls", help="default: ls")
    parser.add_argument("-n", "--lines", type=int, default=50, help="how many entries (default: 50)")


def _run(session: CliSession, options: Namespace) -> int:
    return _verify(session) if options.action == "verify" else _list(session, options.lines)


def _list(session: CliSession, lines: int) -> int:
    if not 0 < lines <= 1000:
        raise CliError("--lines is from 1 to 1000.", ExitCode.USAGE)
    rows = session.api.get("auditlogs", limit=lines, sort="created", order="desc").get("data") or []
    columns = ("created", "eventType", "resourceType", "description", "responseCode", "clientIp")
    show_rows(session.terminal, session.format, columns, rows)
    return ExitCode.OK


def _verify(session: CliSession) -> int:
    """Each chain is verified by reading it, one after the other: a chain can be long."""
    named = session.api.list_all("auditverifications")
    if not named:
        raise CliError("Only owners and administrators may verify the audit log.", ExitCode.REFUSED)
    rows = []
    for each in named:
        session.terminal.progress(f"verifying {each['name']}")
        rows.append(session.api.reload(each))
    shown = [
        {**each, "faults": [f"{one.get('auditLogId') or '-'}: {one.get('what')}" for one in each.get("faults") or ()]}
        for each in rows
    ]
    show_rows(session.terminal, session.format, ("name", "whole", "lines", "forgotten", "end", "faults"), shown)
    return ExitCode.OK if all(each.get("whole") for each in rows) else ExitCode.FAILED


PROVIDES = {"audit": CliCommand(_arguments, _run)}
