"""Asking before something is removed: on a terminal by a question, elsewhere by `--yes`; the same for every command."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.errors import CliError, ExitCode
from corral_cli.terminal import UserTerminal


def add_confirmation(parser: ArgumentParser, actions: str = "", *, former_names: tuple[str, ...] = ()) -> None:
    """The option that answers the question before; `actions` are those of the command that ask, all where empty."""
    about = f"{actions}: do not ask" if actions else "do not ask"
    parser.add_argument("-y", "--yes", *former_names, dest="yes", action="store_true", help=about)


def require_confirmation(terminal: UserTerminal, options: Namespace, what: str) -> None:
    """Ask whether `what` may be removed, unless the command line says so.

    Raises `CliError` when it may not, or when nobody can be asked because the input is no terminal.
    """
    if options.yes:
        return
    if not terminal.stdin.isatty():
        raise CliError(f"{what} would be removed: say --yes.", ExitCode.USAGE)
    terminal.clear_progress()
    terminal.err.write(f"Remove {what}? [y/N] ")
    terminal.err.flush()
    answer = terminal.stdin.readline()
    if not answer:  # the end of input leaves the cursor behind the question
        terminal.note("")
    if answer.strip().lower() not in {"y", "yes"}:
        raise CliError("Nothing was removed.", ExitCode.INTERRUPTED)
