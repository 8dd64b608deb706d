"""`catalogs`: the git repositories that templates come from: listed, added, refreshed, removed."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from corral_cli.commands.actions import add_waiting
from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.output import show_rows
from corral_cli.portal_api import Json, describe
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import UserTerminal, printable

_COLUMNS = ("id", "name", "state", "scope", "url", "branch", "commit", "indexedAt", "detail")
_MAX_SECRET = 32_768
_SECRET = "CORRAL_CATALOG_SECRET"  # noqa: S105 - the name of a variable


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("ls", "add", "refresh", "rm"), default="ls", help="default: ls")
    parser.add_argument("name", nargs="?", default="", help="of the new catalog, or which one: its name or id")
    parser.add_argument("address", nargs="?", default="", help="add: of the git repository, by https or ssh")
    parser.add_argument("--branch", default="", metavar="NAME", help="add: which branch (default: the repository's)")
    parser.add_argument("--username", default="", metavar="NAME", help="add: who reads the repository")
    parser.add_argument(
        "--secret-file",
        default="",
        metavar="FILE",
        help=f"add: password, token or private key; - is the input ({_SECRET} holds it itself)",
    )
    parser.add_argument(
        "--poll-seconds", type=int, metavar="SECONDS", help="add: how often it is looked at (default: 300)"
    )
    parser.add_argument("--description", default="", metavar="TEXT", help="add: what it is for")
    add_confirmation(parser, "rm")
    add_waiting(parser)


def _run(session: CliSession, options: Namespace) -> int:
    if options.action == "ls":
        rows = [_to_row(each) for each in _catalogs(session)]
        show_rows(session.terminal, session.format, _COLUMNS, rows)
        return ExitCode.OK
    if not options.name:
        url = " https://git.example.com/templates.git" if options.action == "add" else ""
        raise missing_argument("name", f"which catalog to {options.action}", f"catalogs {options.action} ours{url}")
    return _add(session, options) if options.action == "add" else _change(session, options)


def _catalogs(session: CliSession) -> list[Json]:
    """Those that the environment sees, by name."""
    found = session.api.list_all("catalogs", removed_null=1)
    return sorted(found, key=lambda each: (str(each["name"]).lower(), each["id"]))


def _to_row(each: Json) -> Json:
    return {
        **each,
        "scope": "environment" if each.get("accountId") else "all environments",
        "commit": str(each.get("commit") or "")[:12],
        "detail": each.get("transitioningMessage"),
    }


def _add(session: CliSession, options: Namespace) -> int:
    if not options.address:
        example = f"catalogs add {options.name} https://git.example.com/templates.git"
        raise missing_argument("address", "where the git repository is", example)
    given: Json = {
        "name": options.name,
        "url": options.address,
        "branch": options.branch,
        "username": options.username,
        "secretValue": _secret(session.terminal, options.secret_file),
        "pollSeconds": options.poll_seconds,
        "description": options.description,
    }
    body = {name: value for name, value in given.items() if value not in {"", None}}
    return _report(session, options, session.api.post("catalogs", body), ": added")


def _secret(terminal: UserTerminal, path: str) -> str:
    """The secret of the file, of the input, or of the variable; empty without one. Raises `CliError`.

    It is no option of its own: others on the machine can read what stands on a command line.
    """
    if not path:
        return terminal.environ.get(_SECRET, "")
    try:
        text = terminal.stdin.read(_MAX_SECRET + 1) if path == "-" else _read(Path(terminal.folder, path))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise CliError(f"--secret-file: {printable(path)} cannot be read: {why}.", ExitCode.NOT_FOUND) from None
    found = text.strip("\r\n")
    if not found:
        raise CliError(f"--secret-file: {printable(path)} is empty.", ExitCode.INVALID)
    # A key of ssh ends with a line's end; a password or token has none.
    return f"{found}\n" if "\n" in found else found


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(_MAX_SECRET + 1)


def _change(session: CliSession, options: Namespace) -> int:
    found = [each for each in _catalogs(session) if options.name in {each["id"], each["name"]}]
    if not found:
        text = f"There is no catalog {printable(options.name)} here: see `corral catalogs`."
        raise CliError(text, ExitCode.NOT_FOUND)
    catalog = found[0]
    if options.action == "refresh":
        return _report(session, options, session.api.act(catalog, "refresh"), ": refresh requested")
    require_confirmation(session.terminal, options, f"{describe(catalog)}, whose stacks run on,")
    removed = session.api.delete(catalog)
    return _report(session, options, {**catalog, **removed}, ": removal requested")


def _report(session: CliSession, options: Namespace, catalog: Json, text: str) -> int:
    session.report_resource(catalog, text, requested=options.action)
    if options.wait:
        session.report_state(session.waiter().until_settled(catalog))
    return ExitCode.OK


PROVIDES = {"catalogs": CliCommand(_arguments, _run)}
