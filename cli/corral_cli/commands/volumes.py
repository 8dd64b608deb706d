"""`volumes`: the volumes of hosts: listed, created, removed, cleaned up, and their files shown and fetched."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any
from urllib.parse import quote

from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.lookup import find
from corral_cli.output import show_rows
from corral_cli.pairs import read_pairs
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.sizes import counted, size_text
from corral_cli.terminal import printable

_COLUMNS = ("id", "name", "host", "state", "size", "usedBy", "scope", "driver")
_FILE_COLUMNS = ("kind", "size", "changed", "name")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("ls", "create", "rm", "prune", "files"), default="ls", help="default: ls"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which volumes: name or id; files takes a path, too")
    parser.add_argument("--host", default="", help="on this host only (default: on all of them)")
    parser.add_argument("--unused", action="store_true", help="ls: those that nothing uses")
    parser.add_argument("--driver", default="local", help="create: the driver (default: local)")
    parser.add_argument(
        "--opt", action="append", default=[], metavar="NAME=VALUE", help="create: an option of the driver; repeatable"
    )
    parser.add_argument(
        "--label", action="append", default=[], metavar="NAME=VALUE", help="create: a label; repeatable"
    )
    parser.add_argument("--all", action="store_true", help="prune: named ones too, not only those that nobody named")
    parser.add_argument("--dry-run", action="store_true", help="prune: show what goes, and remove nothing")
    add_confirmation(parser, "rm, prune")


def _run(session: CliSession, options: Namespace) -> int:
    actions = {"ls": _list, "create": _create, "rm": _remove, "prune": _prune, "files": _files}
    return int(actions[options.action](session, options))


def _list(session: CliSession, options: Namespace) -> int:
    rows = _volumes(session, options)
    if options.names:
        rows = [each for each in rows if each["name"] in options.names or each["id"] in options.names]
    if options.unused:
        rows = [each for each in rows if not each.get("users")]
    _show(session, rows)
    return ExitCode.OK


def _volumes(session: CliSession, options: Namespace) -> list[Json]:
    """The volumes of the environment, or of one host, by name."""
    where = {"hostId": find(session.api, options.host, ("host",))["id"]} if options.host else {}
    rows = session.api.list_all("volumes", removed_null=1, **where)
    return sorted(rows, key=lambda each: (each["name"], each["id"]))


def _show(session: CliSession, rows: list[Json]) -> None:
    hosts = {each["id"]: each.get("name") or each.get("hostname") for each in session.api.list_all("hosts")}
    shown = [
        {
            **each,
            "host": hosts.get(each["hostId"], each["hostId"]),
            "size": size_text(each.get("sizeBytes")) if session.format == "table" else each.get("sizeBytes"),
            "usedBy": ", ".join(each.get("users") or ()),
        }
        for each in rows
    ]
    show_rows(session.terminal, session.format, _COLUMNS, shown)


def _create(session: CliSession, options: Namespace) -> int:
    if not options.names:
        raise missing_argument("NAME", "the name of the one volume to create", "volumes create shop-data")
    if len(options.names) > 1:
        text = (
            "One volume at a time: say the name of the one volume to create, such as: corral volumes create shop-data"
        )
        raise CliError(text, ExitCode.USAGE)
    body: Json = {
        "name": options.names[0],
        "driver": options.driver,
        "driverOpts": read_pairs("--opt", options.opt),
        "labels": read_pairs("--label", options.label),
    }
    if options.host:
        body["hostId"] = find(session.api, options.host, ("host",))["id"]
    made = session.api.post("volumes", body)
    rows = made["data"] if made.get("type") == "collection" else [made]
    _show(session, [session.waiter().until_settled(each) for each in rows])
    return ExitCode.OK


def _remove(session: CliSession, options: Namespace) -> int:
    if not options.names:
        raise missing_argument("NAME", "which volumes to remove", "volumes rm shop-data")
    found = [_one(session, options, name) for name in options.names]
    names = ", ".join(printable(each["name"]) for each in found)
    require_confirmation(session.terminal, options, f"volume{'' if len(found) == 1 else 's'} {names}, with all files,")
    for each in found:
        gone = session.waiter().until_settled(session.api.delete(each))
        session.report(each["id"], {"id": each["id"], "name": each["name"], "state": gone.get("state")})
    return ExitCode.OK


def _one(session: CliSession, options: Namespace, name: str) -> Json:
    """The one volume of this name or id."""
    rows = [each for each in _volumes(session, options) if name in {each["name"], each["id"]}]
    if not rows:
        raise CliError(f"There is no volume {printable(name)}: see `corral volumes`.", ExitCode.NOT_FOUND)
    if len(rows) > 1:
        message = f"{printable(name)} is on {len(rows)} hosts: say which with --host, or give its id."
        raise CliError(message, ExitCode.NOT_FOUND)
    return rows[0]


def _prune(session: CliSession, options: Namespace) -> int:
    """Show what nothing uses, and remove it."""
    rows = [each for each in _volumes(session, options) if each["state"] == "inactive" and not each.get("users")]
    rows = [each for each in rows if options.all or each["scope"] == "container"]
    size = sum(each.get("sizeBytes") or 0 for each in rows)
    text = f"{counted(len(rows), 'volume')}, {size_text(size)}"
    if options.dry_run or not rows or session.format == "table":
        _show(session, rows)
    if options.dry_run or not rows:
        session.terminal.note(f"{text} would go; nothing was removed.")
        return ExitCode.OK
    require_confirmation(session.terminal, options, text)
    wanted = {each["hostId"] for each in rows}
    count, freed = 0, 0
    for pool in session.api.list_all("storagepools"):
        if pool.get("hostId") in wanted:
            done: Any = session.api.act(pool, "prune", {"named": options.all})
            count, freed = count + len(done["volumeIds"]), freed + done["sizeBytes"]
    verb = "is" if count == 1 else "are"
    text = f"{counted(count, 'volume')} {verb} being removed, {size_text(freed)}"
    session.report(text, {"volumes": count, "freed": freed})
    return ExitCode.OK


def _files(session: CliSession, options: Namespace) -> int:
    """What is in a folder of a volume."""
    example = "volumes files shop-data etc/nginx"
    if not options.names:
        raise missing_argument("NAME", "which volume, and a folder in it unless all of it is meant", example)
    if len(options.names) > 2:
        raise CliError(f"One volume and one folder at a time, such as: corral {example}", ExitCode.USAGE)
    volume = _one(session, options, options.names[0])
    path = options.names[1] if len(options.names) > 1 else ""
    found = session.api.get(f"{volume['links']['files']}?path={quote(path)}")
    rows = found["entries"]
    if session.format == "table":
        rows = [{**each, "size": size_text(each["size"])} for each in rows]
    show_rows(session.terminal, session.format, _FILE_COLUMNS, rows)
    if not found["complete"]:
        session.terminal.note("The folder is too large to be listed whole.")
    return ExitCode.OK


PROVIDES = {"volumes": CliCommand(_arguments, _run)}
