"""Reads the command line, runs the one command that it names, and ends with an exit code; never with a traceback."""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser, HelpFormatter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import PurePath
from typing import Any, NoReturn

from corral_cli import VERSION
from corral_cli.commands import COMMANDS
from corral_cli.errors import CliError, ExitCode
from corral_cli.output import FORMATS
from corral_cli.row_template import RowTemplate, is_template
from corral_cli.session import CliCommand, CliSession
from corral_cli.terminal import UserTerminal, printable
from corral_cli.transport import HttpTransport, Transport

AS_RANCHER_COMPOSE = "rancher-compose"
_COMPOSE_MODULE = "corral_cli.rancher_compose"
_WITH_VALUE = {"--url", "--access-key", "--secret-key", "--env", "--context", "--ca", "--format"}
_WIDTH = 110


class CliParser(ArgumentParser):
    """Fails with our own error, and gives help that does not depend on the width of the terminal."""

    def __init__(self, **more: Any) -> None:
        super().__init__(formatter_class=lambda prog: HelpFormatter(prog, max_help_position=32, width=_WIDTH), **more)

    def error(self, message: str) -> NoReturn:
        """What is wrong with the command line."""
        raise CliError(f"{message}; see `{self.prog} --help`.", ExitCode.USAGE)


def run(
    arguments: Sequence[str],
    terminal: UserTerminal,
    *,
    program: str = "corral",
    connect: Callable[[str], Transport] = HttpTransport,
) -> int:
    """Run a command line and return its exit code."""
    try:
        return _run(list(arguments), terminal, program, connect)
    except CliError as error:
        terminal.note(f"{program}: {error}")
        return int(error.code)
    except SystemExit as end:  # of argparse, after --help
        return end.code if isinstance(end.code, int) else int(ExitCode.OK)
    except KeyboardInterrupt:
        terminal.note(f"\n{program}: interrupted. What was requested goes on; the same command picks it up again.")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:  # `corral ps | head`
        _silence(terminal)
        return int(ExitCode.OK)
    except (RecursionError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        return _unexpected(error, terminal, program)


def _unexpected(error: Exception, terminal: UserTerminal, program: str) -> int:
    """A fault of this program, or an answer as no portal gives: one line, with the places where more is wanted."""
    import traceback

    for frame in traceback.extract_tb(error.__traceback__)[-6:]:
        terminal.debug(f"  at {PurePath(frame.filename).name}:{frame.lineno} in {frame.name}")
    what = printable(f"{type(error).__name__}: {error}")[:300]
    terminal.note(f"{program}: unexpected ({what}). Run it with --verbose, and report what that says.")
    return int(ExitCode.FAILED)


def _run(arguments: list[str], terminal: UserTerminal, program: str, connect: Callable[[str], Transport]) -> int:
    terminal.verbose = "--verbose" in arguments or "--debug" in arguments
    if program == AS_RANCHER_COMPOSE:
        return _compose(arguments, terminal, AS_RANCHER_COMPOSE, connect)
    at = _command_at(arguments)
    name = arguments[at] if at < len(arguments) else ""
    if not name:
        return _without_command(arguments, terminal)
    if name == "compose":
        return _compose(arguments[:at] + arguments[at + 1 :], terminal, "corral compose", connect)
    if name == "help":
        following = arguments[at + 1] if at + 1 < len(arguments) else ""
        return _run([following, "--help"] if following else ["--help"], terminal, program, connect)
    command = load_command(name)
    options = command_parser(name, command).parse_args(arguments[:at] + arguments[at + 1 :])
    session = CliSession(terminal, options, connect)
    try:
        return command.run(session, options)
    finally:
        session.show_results()


def _compose(arguments: list[str], terminal: UserTerminal, program: str, connect: Callable[[str], Transport]) -> int:
    run_compose: Callable[..., int] = import_module(_COMPOSE_MODULE).run_compose
    return run_compose(arguments, terminal, program, connect)


def load_command(name: str) -> CliCommand:
    """A command by its name; nothing of the others is imported. Raises `CliError`."""
    entry = COMMANDS.get(name)
    if entry is None:
        import difflib

        close = difflib.get_close_matches(name, COMMANDS, 1)
        remedy = f"did you mean `{close[0]}`?" if close else "see `corral --help`."
        raise CliError(f"There is no command {name!r}: {remedy}", ExitCode.USAGE)
    module = import_module(f"corral_cli.commands.{entry.module}")
    found: CliCommand = module.PROVIDES[name]
    return found


def command_parser(name: str, command: CliCommand) -> CliParser:
    """The parser of one command, with the options that all have."""
    parser = CliParser(prog=f"corral {name}", description=COMMANDS[name].summary, allow_abbrev=False)
    command.configure(parser)
    add_common_options(parser)
    return parser


def add_common_options(parser: ArgumentParser) -> None:
    """Which portal, as whom, where, and how results are printed."""
    group = parser.add_argument_group("options of every command")
    group.add_argument("--url", metavar="URL", help="the portal (RANCHER_URL)")
    group.add_argument("--access-key", metavar="KEY", help="the key's first half (RANCHER_ACCESS_KEY)")
    group.add_argument("--secret-key", metavar="KEY", help="the key's second half (RANCHER_SECRET_KEY)")
    group.add_argument("--env", dest="environment", metavar="NAME", help="the environment (RANCHER_ENVIRONMENT)")
    group.add_argument("--context", metavar="NAME", help="one of the portals that `corral login` stored")
    group.add_argument("--ca", metavar="FILE", help="certificates of authorities to trust (CORRAL_CA)")
    group.add_argument(
        "--format", type=_format, metavar="FORM", help="table (default), json, yaml, or a template such as '{{.name}}'"
    )
    group.add_argument("--verbose", action="store_true", help="say which requests are made")


def _format(text: str) -> str:
    """A word, or a template. Raises `CliError`."""
    if is_template(text):
        RowTemplate(text)
    elif text not in FORMATS:
        raise CliError(
            f"--format {text[:60]!r} is none of {', '.join(FORMATS)}, and no template such as '{{{{.name}}}}'.",
            ExitCode.USAGE,
        )
    return text


def overview() -> str:
    """The help of the program itself."""
    groups: dict[str, list[str]] = {}
    for name, entry in COMMANDS.items():
        groups.setdefault(entry.group, []).append(f"  {name:12s} {entry.summary}")
    parts = ["usage: corral [options] COMMAND ...", ""]
    for group, lines in groups.items():
        parts += [f"{group}:", *lines, ""]
    parts += ["`corral COMMAND --help` describes a command; `corral compose` takes what rancher-compose took."]
    return "\n".join(parts)


def _without_command(arguments: list[str], terminal: UserTerminal) -> int:
    if {"--version", "-v"} & set(arguments):
        terminal.print(f"corral version v{VERSION}")
        return int(ExitCode.OK)
    parser = CliParser(prog="corral", add_help=False, allow_abbrev=False)
    add_common_options(parser)
    parser.add_argument("-h", "--help", action="store_true", default=SUPPRESS)
    parser.parse_args(arguments)
    terminal.print(overview())
    return int(ExitCode.OK if {"--help", "-h"} & set(arguments) else ExitCode.USAGE)


def _command_at(arguments: Sequence[str]) -> int:
    """Where the command stands: the first word that is neither an option nor an option's value."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in _WITH_VALUE else 1
    return at


def _silence(terminal: UserTerminal) -> None:
    """Nobody reads any more: have the interpreter's own last flush go nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), terminal.out.fileno())
    except (OSError, ValueError, AttributeError):
        return


def program_of(path: str) -> str:
    """Which program a file's name makes of this: what is called rancher-compose is that."""
    name = PurePath(path.replace("\\", "/")).name.lower()
    return AS_RANCHER_COMPOSE if name.startswith(AS_RANCHER_COMPOSE) else "corral"
