"""`import`: environments, stacks and more of a Rancher 1.x server are made here, with a report of every row."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from corral_cli.commands.actions import add_timeout
from corral_cli.errors import CliError, ExitCode
from corral_cli.output import show_rows
from corral_cli.portal_api import PortalApi
from corral_cli.rancher_import import RancherImport
from corral_cli.rancher_report import REFUSED, STATES, ImportLine
from corral_cli.rancher_server import OldAccess, RancherServer
from corral_cli.session import CliCommand, CliSession
from corral_cli.waiting import DEFAULT_SECONDS, Waiter

_COLUMNS = ("environment", "type", "name", "state", "note")
_MAX_SECRET = 4096


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("source", choices=("rancher",), help="what is imported: a Rancher server of version 1.0 to 1.6")
    parser.add_argument("--from", dest="old_url", metavar="URL", required=True, help="the Rancher server")
    parser.add_argument(
        "--from-access-key",
        dest="old_key",
        metavar="KEY",
        required=True,
        help="the first half of a key of an account there",
    )
    parser.add_argument(
        "--from-secret-key-file",
        dest="old_secret_file",
        metavar="FILE",
        default="",
        help="the file with its second half; without one it is typed, or read from the pipe",
    )
    parser.add_argument("--from-ca", dest="old_ca", metavar="FILE", default="", help="authorities to trust there")
    parser.add_argument(
        "--environment",
        action="append",
        dest="old_environments",
        metavar="NAME",
        default=[],
        help="only this environment of the old server; repeatable (default: all that the key sees)",
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would become of it, and make nothing")
    parser.add_argument(
        "--adopt", action="store_true", help="have imported stacks take over what runs on the hosts that are here"
    )
    add_timeout(parser)


def _import(session: CliSession, options: Namespace) -> int:
    access = OldAccess(options.old_url, options.old_key, "").normalized()
    portal = session.access.normalized()
    if access.url.lower() == portal.url.lower():
        raise CliError(f"--from {access.url} is this portal itself: name the old server.", ExitCode.USAGE)
    secret = _read_secret(session, options)
    old = RancherServer(replace(access, secret_key=secret), session.connect(options.old_ca), session.terminal)
    seconds = float(options.timeout or DEFAULT_SECONDS)

    def api_inside(environment: str) -> PortalApi:
        return session.api_for(portal._replace(environment=environment))

    run = RancherImport(
        old,
        session.api,
        api_inside,
        lambda api: Waiter(api, session.terminal, seconds),
        session.terminal.progress,
        is_dry=options.dry_run,
        adopts=options.adopt,
    )
    try:
        run.run(options.old_environments)
    except CliError:
        _show(session, run.report.lines)  # what was done before is known to nobody else
        raise
    lines = run.report.lines
    _show(session, lines)
    session.terminal.note(_summary(lines, is_dry=options.dry_run))
    return ExitCode.FAILED if any(each.state == REFUSED for each in lines) else ExitCode.OK


def _read_secret(session: CliSession, options: Namespace) -> str:
    """The key's second half, which is never an argument. Raises `CliError`."""
    if not options.old_secret_file:
        secret = session.terminal.ask_secret("Secret key of the Rancher server: ").strip()
    else:
        path = Path(session.terminal.folder, options.old_secret_file)
        try:
            with path.open(encoding="utf-8") as file:
                secret = file.read(_MAX_SECRET).strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            text = f"--from-secret-key-file {options.old_secret_file}: {why}."
            raise CliError(
                text, ExitCode.NOT_FOUND if isinstance(error, FileNotFoundError) else ExitCode.USAGE
            ) from None
    if not secret or not secret.isprintable():
        raise CliError("There is no secret key: give its file with --from-secret-key-file.", ExitCode.USAGE)
    return secret


def _show(session: CliSession, lines: list[ImportLine]) -> None:
    if lines:
        show_rows(session.terminal, session.format, _COLUMNS, [each.as_row() for each in lines])


def _summary(lines: list[ImportLine], *, is_dry: bool) -> str:
    counted = {state: sum(each.state == state for each in lines) for state in STATES}
    said = ", ".join(f"{count} {state}" for state, count in counted.items() if count)
    return f"Nothing was made. It would be: {said}." if is_dry else f"{said}."


PROVIDES = {"import": CliCommand(_arguments, _import)}
