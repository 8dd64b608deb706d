"""Being given a key by a person's browser (RFC 8628): this program shows a code, and asks until it has a key."""

from __future__ import annotations

from typing import NamedTuple

from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, PortalApi
from corral_cli.terminal import UserTerminal, printable

_LONGEST_INTERVAL = 60.0


class GivenKey(NamedTuple):
    """The key, and the environment in which it acts; empty for all of its account."""

    access_key: str
    secret_key: str
    environment: str


def log_in_by_browser(api: PortalApi, terminal: UserTerminal) -> GivenKey:
    """Show the code, and wait until somebody has allowed it. Raises `CliError`."""
    begun = _begin(api)
    until = terminal.now() + float(begun["expires_in"])
    pause = float(begun["interval"])
    terminal.note(f"Open {printable(begun['verification_uri_complete'])}")
    terminal.note(f"and allow this program there if the page shows the code {printable(begun['user_code'])}.")
    while terminal.now() < until:
        terminal.progress("Waiting to be allowed in the browser; Ctrl-C ends it.")
        terminal.sleep(pause)
        try:
            status, answer = api.exchange("/v1/devicelogins/token", {"device_code": begun["device_code"]})
        except CliError as error:
            if error.code is not ExitCode.UNREACHABLE:
                raise
            terminal.progress(f"{error} Waiting for it.")
            continue
        if status == 200:
            terminal.clear_progress()
            return GivenKey(str(answer["access_key"]), str(answer["secret_key"]), str(answer.get("environment") or ""))
        word = str(answer.get("error") or "")
        if word == "slow_down":
            pause = min(pause + 5, _LONGEST_INTERVAL)
        elif word != "authorization_pending":
            break
    else:
        word = "expired_token"
    terminal.clear_progress()
    if word == "access_denied":
        raise CliError("It was refused in the browser: nothing was stored.", ExitCode.REFUSED)
    raise CliError("Nobody allowed it in time: run `corral login` again.", ExitCode.TIMEOUT)


def _begin(api: PortalApi) -> Json:
    try:
        return api.post("/v1/devicelogins", {"machine": _machine()})
    except CliError as error:
        if error.code is ExitCode.NOT_FOUND:
            raise CliError(
                f"{api.root} cannot log in by a browser: say --key, and type an API key.", ExitCode.USAGE
            ) from None
        raise


def _machine() -> str:
    """Who and where this is, as the person is shown it."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"[:100]
