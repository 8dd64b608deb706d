"""`logs` and `exec`."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace

from corral_cli.errors import CliError, ExitCode
from corral_cli.log_time import since_time
from corral_cli.lookup import containers_meant
from corral_cli.session import CliCommand, CliSession
from corral_cli.streaming import LogRequest, run_in_container, show_logs
from corral_cli.terminal import printable


def _logs_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="containers, services or stacks")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    parser.add_argument(
        "-n", "--tail", "--lines", dest="lines", type=int, default=100, help="lines of each (default: 100)"
    )
    parser.add_argument(
        "--since",
        default="",
        metavar="TIME",
        help="only those since 2026-01-31T12:00:00Z, a number of seconds since 1970, or so long ago: 10m, 1h30m, 2d",
    )
    parser.add_argument("-t", "--timestamps", action="store_true", help="with the time of each line")


def _logs(session: CliSession, options: Namespace) -> int:
    since = since_time(options.since)
    found = {each["id"]: each for name in options.names for each in containers_meant(session.api, name)}
    request = LogRequest(options.lines, since, options.follow, options.timestamps)
    return show_logs(session, list(found.values()), request)


def _exec_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--interactive", action="store_true", help="pass input on; needed only for -t where no terminal is"
    )
    parser.add_argument(
        "-t", "--tty", action="store_true", help="give the command a terminal (default: where input and output are one)"
    )
    parser.add_argument("-T", "--no-tty", action="store_true", help="give it none, also where input and output are one")
    parser.add_argument("name", metavar="NAME", help="a container, or a service that has one")
    parser.add_argument("command", nargs=REMAINDER, metavar="COMMAND", help="what to run (default: sh)")


def _exec(session: CliSession, options: Namespace) -> int:
    found = [each for each in containers_meant(session.api, options.name) if each["state"] == "running"]
    if not found:
        raise CliError(f"{printable(options.name)} has no running container.", ExitCode.REFUSED)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    terminal = session.terminal
    is_person = terminal.stdin.isatty() and terminal.is_interactive
    if options.tty and options.no_tty:
        raise CliError("Say --tty or --no-tty, not both.", ExitCode.USAGE)
    if options.tty and options.interactive and not terminal.stdin.isatty():
        raise CliError(
            "The input is not a terminal: leave out --tty, so that it is passed on unchanged.", ExitCode.USAGE
        )
    tty = not options.no_tty and (options.tty or is_person)
    attach = not tty or options.interactive or terminal.stdin.isatty()
    return run_in_container(session, found[0], words or ["sh"], attach=attach, tty=tty)


PROVIDES = {"logs": CliCommand(_logs_arguments, _logs), "exec": CliCommand(_exec_arguments, _exec)}
