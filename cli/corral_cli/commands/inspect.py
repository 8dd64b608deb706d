"""`inspect`: what the API says of something, as YAML or JSON."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.errors import ExitCode
from corral_cli.lookup import KINDS, find
from corral_cli.output import show_data
from corral_cli.session import CliCommand, CliSession


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="an id, a name, or stack/service")
    parser.add_argument("--type", choices=tuple(KINDS), help="what it is, where the name alone may mean several things")
    parser.add_argument("--links", action="store_true", help="also its links and actions")


def _run(session: CliSession, options: Namespace) -> int:
    kinds = (options.type,) if options.type else tuple(KINDS)
    found = [find(session.api, name, kinds) for name in options.names]
    if not options.links:
        found = [{name: value for name, value in each.items() if name not in {"links", "actions"}} for each in found]
    show_data(session.terminal, session.format, found[0] if len(found) == 1 else found)
    return ExitCode.OK


PROVIDES = {"inspect": CliCommand(_arguments, _run)}
