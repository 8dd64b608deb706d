"""`check-hosts`: whether the hosts reach each other, what to do where they do not, and how much passes between two."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from corral_cli.errors import CliError, ExitCode
from corral_cli.lookup import find
from corral_cli.output import show_data, show_rows
from corral_cli.portal_api import Json
from corral_cli.session import CliCommand, CliSession
from corral_cli.sizes import counted

_SHOWN = ("verdict", "checkedAt", "hosts", "pairs")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--last", action="store_true", help="show the last check instead of running another")
    parser.add_argument(
        "--throughput",
        nargs=2,
        metavar=("HOST", "OTHER"),
        help="measure how much passes between two hosts, too; that fills the link between them for seconds",
    )
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="how long to wait (default: 600)")


def _run(session: CliSession, options: Namespace) -> int:
    if options.timeout is not None and options.timeout < 1:
        raise CliError("--timeout is a number of seconds from 1.", ExitCode.USAGE)
    if options.last and options.throughput:
        raise CliError("--last runs nothing: leave it or --throughput out.", ExitCode.USAGE)
    found = _last(session) if options.last else _checked(session, options.throughput or ())
    if session.format != "table":
        show_data(session.terminal, session.format, {name: found.get(name) for name in _SHOWN})
    else:
        _show(session, found)
    return ExitCode.FAILED if found.get("verdict") == "failed" else ExitCode.OK


def _last(session: CliSession) -> Json:
    known = session.api.list_all("networkchecks")
    if not known or not known[0].get("checkedAt"):
        raise CliError("The hosts were not checked yet: leave --last out.", ExitCode.NOT_FOUND)
    return known[0]


def _checked(session: CliSession, names: tuple[str, ...]) -> Json:
    """Run a check and wait for its end."""
    hosts = [find(session.api, name, ("host",))["id"] for name in names]
    begun = session.api.post("networkchecks", {"throughputBetween": hosts} if hosts else {})
    return session.waiter().until_settled(begun)


def _show(session: CliSession, found: Json) -> None:
    """What is wrong, the worst first; and what was measured."""
    hosts, pairs = found.get("hosts") or [], found.get("pairs") or []
    rows = [_row(each, each["name"]) for each in hosts] + [_row(each, " - ".join(each["hosts"])) for each in pairs]
    troubled = sorted((each for each in rows if each["remedy"]), key=lambda each: each["verdict"] != "failed")
    if troubled:
        show_rows(session.terminal, "table", ("verdict", "between", "remedy"), troubled)
    session.terminal.print(f"{found.get('verdict')}: {counted(len(hosts), 'host')}, {counted(len(pairs), 'pair')}")
    for each in pairs:
        if each.get("bitsPerSecond"):
            there, back = (_rate(rate) for rate in each["bitsPerSecond"])
            first, second = each["hosts"]
            session.terminal.print(f"{first} -> {second}: {there}; {second} -> {first}: {back}")


def _row(each: Json, between: str) -> dict[str, Any]:
    return {"verdict": each.get("verdict"), "between": between, "remedy": " ".join(each.get("findings") or ())}


def _rate(bits: float | None) -> str:
    if bits is None:
        return "not measured"
    return f"{bits / 1e9:.2f} Gbit/s" if bits >= 1e9 else f"{bits / 1e6:.1f} Mbit/s"


PROVIDES = {"check-hosts": CliCommand(_arguments, _run)}
