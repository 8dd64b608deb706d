"""`what-if`: where containers would go at another scale, without a host, or with other labels."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import find
from corral_cli.output import show_data, show_rows
from corral_cli.session import CliCommand, CliSession


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
    rows = [{"change": name, **move} for name in ("placed", "removed", "stays") for move in found[name] or ()]
    show_rows(session.terminal, "table", ("change", "container", "from", "to", "reasons"), rows)
    return ExitCode.OK


PROVIDES = {"what-if": CliCommand(_arguments, _run)}
