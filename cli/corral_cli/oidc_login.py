"""Being given a short key for the identity token of a CI job (RFC 8693): nothing is stored in the CI for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, PortalApi
from corral_cli.terminal import UserTerminal, printable
from corral_cli.transport import Sender

TOKEN_VARIABLE = "CORRAL_OIDC_TOKEN"  # noqa: S105 - the name of a variable
_GITHUB_URL, _GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_MAX_TOKEN = 65_536
_TRIES, _PAUSE = 4, 5.0


class JobKey(NamedTuple):
    """A key, and in how many minutes it ends."""

    access_key: str
    secret_key: str
    minutes: int


def job_token(environ: Mapping[str, str], transport: Sender, *, file: str, audience: str) -> str:
    """The token of this job: of a file, of the variable CORRAL_OIDC_TOKEN, or one that GitHub Actions gives for it.

    Raises `CliError` where there is none.
    """
    if file:
        return _read(Path(file))
    if environ.get(TOKEN_VARIABLE, "").strip():
        return environ[TOKEN_VARIABLE].strip()
    if environ.get(_GITHUB_URL) and environ.get(_GITHUB_TOKEN):
        return _from_github(environ[_GITHUB_URL], environ[_GITHUB_TOKEN], transport, audience)
    if environ.get("GITHUB_ACTIONS"):
        raise CliError(
            "GitHub gives this job no identity token: add `permissions: id-token: write` to its workflow.",
            ExitCode.USAGE,
        )
    raise CliError(
        f"There is no identity token: say --oidc-token-file, or have the CI set {TOKEN_VARIABLE}.", ExitCode.USAGE
    )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(_MAX_TOKEN + 1)
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}.", ExitCode.NOT_FOUND) from None
    if len(found) > _MAX_TOKEN or not found.strip() or not found.isascii():
        raise CliError(f"{path} holds no identity token.", ExitCode.INVALID)
    return found.decode("ascii").strip()


def _from_github(url: str, token: str, transport: Sender, audience: str) -> str:
    if urlsplit(url).scheme != "https":
        raise CliError(f"{_GITHUB_URL} is no address over https.", ExitCode.USAGE)
    joint = "&" if "?" in url else "?"
    headers = {"Authorization": f"bearer {token}", "Accept": "application/json"}
    answer = transport.send("GET", f"{url}{joint}audience={quote(audience, safe='')}", headers, None)
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    value = found.get("value") if isinstance(found, dict) else None
    if answer.status != 200 or not isinstance(value, str) or not value:
        raise CliError(f"GitHub gives this job no identity token ({answer.status}).", ExitCode.UNREACHABLE)
    return value


def log_in_by_token(api: PortalApi, terminal: UserTerminal, token: str, environment: str) -> JobKey:
    """Exchange the token for a key of the environment with this id. Raises `CliError`.

    A name would not do: environments of others may have the same, and rules that accept this job.
    """
    if not re.fullmatch(r"1a[0-9]+", environment):
        raise CliError(
            "Say --env with the id of the environment, such as 1a5: the page of its trust rule shows it.",
            ExitCode.USAGE,
        )
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "audience": environment,
    }
    status, answer = _exchange(api, terminal, body)
    if status != 200:
        said = printable(answer.get("error_description") or answer.get("error") or "The token was refused.")
        raise CliError(said, ExitCode.CREDENTIALS)
    minutes = int(answer.get("expires_in") or 0) // 60
    return JobKey(str(answer["access_key"]), str(answer["secret_key"]), minutes)


def _exchange(api: PortalApi, terminal: UserTerminal, body: Json) -> tuple[int, Json]:
    """Try a few times: the portal may have to fetch the keys of the issuer, for several jobs at once."""
    left = _TRIES
    while True:
        left -= 1
        try:
            return api.exchange("/v1/tokenexchange", body)
        except CliError as error:
            if error.code is ExitCode.NOT_FOUND:
                raise CliError(f"{api.root} takes no identity tokens: it is too old.", ExitCode.USAGE) from None
            if error.code is not ExitCode.UNREACHABLE or not left:
                raise
            terminal.note(f"{error} Trying again.")
            terminal.sleep(_PAUSE)
