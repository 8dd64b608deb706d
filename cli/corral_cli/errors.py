"""How a command fails: one line that says what and what to do, and an exit code that scripts can tell apart."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command, `exec` excepted: that ends with the code of what it ran."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    CREDENTIALS = 4
    REFUSED = 5
    NOT_FOUND = 6
    INVALID = 7
    TIMEOUT = 8
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "something went wrong on the portal or its hosts: the message says what",
    ExitCode.USAGE: "the command line is wrong, or no portal or environment is chosen",
    ExitCode.UNREACHABLE: "the portal does not answer, is starting, or its certificate is not known",
    ExitCode.CREDENTIALS: "the key is wrong, has expired or was deactivated",
    ExitCode.REFUSED: "the role, a lock or the state of the resource does not allow it",
    ExitCode.NOT_FOUND: "there is no such stack, service, container, host, file or portal path",
    ExitCode.INVALID: "the compose file or a value is not valid",
    ExitCode.TIMEOUT: "it was not done in time; it goes on, and the same command waits for it again",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C; what was requested before goes on",
}


def missing_argument(name: str, what: str, example: str) -> CliError:
    """What to raise where an argument is missing: its `name` in the help, `what` to say, and a command that does."""
    return CliError(f"{name} is missing: say {what}, such as: corral {example}", ExitCode.USAGE)


class CliError(Exception):
    """Ends the command; `str()` is the line that people see."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
