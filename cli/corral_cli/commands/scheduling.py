"""`what-if`: where containers would go at another scale, without a host, or with other labels."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import find
from corral_cli.output import show_data
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import printable


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="a service, or a host: what if it were lost?")
    parser.add_argument("--scale", type=int, help="of a service: what if it had so many containers?")
    parser.add_argument("--add-label", action="append", default=[], metavar="NAME=VALUE", help="of a host")
    parser.add_argument("--remove-label", action="append", default=[], metavar="NAME", help="of a host")


def _run(session: CliSession, options: Namespace) -> int:
    resource = find(session.api, options.name, ("service", "host"))
    query: dict[str, object] = {}
    if resource["type"] == "host":
        if options.scale is not None:
            raise CliError("A host has no scale: name a service, or leave --scale out.", ExitCode.USAGE)
        query = {"addLabels": ",".join(options.add_label), "removeLabels": ",".join(options.remove_label)}
    elif options.add_label or options.remove_label:
        raise CliError(
            "Labels are a host's here: name a host, or leave --add-label and --remove-label out.", ExitCode.USAGE
        )
    elif options.scale is not None:
        query = {"scale": options.scale}
    found = session.api.get(
        resource["links"]["whatIf"], **{name: value for name, value in query.items() if value != ""}
    )
    if session.format != "table":
        show_data(session.terminal, session.format, {name: found[name] for name in ("placed", "removed", "stays")})
        return ExitCode.OK
    lines = list(_sentences(found))
    for line in lines or ["Nothing would move."]:
        session.terminal.print(line)
    if found.get("note"):
        session.terminal.note(printable(found["note"]))
    return ExitCode.OK


def _sentences(found: Json) -> Iterator[str]:
    """One line for each container; those that fit nowhere come first, as on the page."""
    placed = found["placed"] or ()
    for move in sorted(placed, key=lambda each: bool(each["to"])):
        yield _sentence(move, _where_placed(move))
    for move in found["removed"] or ():
        yield _sentence(move, f"removed from {move['from']}" if move["from"] else "removed; it has no host yet")
    stays_though = ", but would not be placed there again" if found["question"] == "labels" else ""
    for move in found["stays"] or ():
        yield _sentence(move, f"stays on {move['from']}{stays_though}")


def _where_placed(move: Json) -> str:
    if not move["to"]:
        return f"no host; now on {move['from']}" if move["from"] else "no host"
    return f"from {move['from']} to {move['to']}" if move["from"] else f"placed on {move['to']}"


def _sentence(move: Json, what: str) -> str:
    reasons = "; ".join(move["reasons"] or ())
    return printable(f"{move['container']}: {what}{f' ({reasons})' if reasons else ''}")


PROVIDES = {"what-if": CliCommand(_arguments, _run)}
