"""Waiting until the portal has done what was requested: with a time-out, and saying what is waited for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json, PortalApi, describe
from corral_cli.terminal import UserTerminal, printable

T = TypeVar("T")

DEFAULT_SECONDS = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.15, 2.0


class Waiter:
    """Polls resources of one command, all within one time-out."""

    def __init__(self, api: PortalApi, terminal: UserTerminal, seconds: float = DEFAULT_SECONDS) -> None:
        self._api = api
        self._terminal = terminal
        self._seconds = seconds
        self._deadline = terminal.now() + seconds

    def until_settled(self, resource: Json) -> Json:
        """The resource once nothing of it is in transition. Raises `CliError` when it failed."""
        found = self.until(resource, lambda each: each.get("transitioning") != "yes")
        if found.get("transitioning") == "error" or found.get("state") == "error":
            why = printable(found.get("transitioningMessage") or "no reason was given")
            raise CliError(f"{describe(found)} failed: {why}", ExitCode.FAILED)
        return found

    def until_healthy(self, resource: Json) -> Json:
        """The service or stack once it is active and all its containers do their work."""
        well = {"healthy", "started-once"}
        return self.until(
            self.until_settled(resource),
            lambda each: each.get("transitioning") == "no" and each.get("healthState") in well,
        )

    def until(self, resource: Json, is_done: Callable[[Json], bool]) -> Json:
        """The resource once it is done; a portal that is away meanwhile is waited for, too."""
        pause = _FIRST_PAUSE
        while not is_done(resource):
            self._pause(resource, pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            resource = self.patiently(partial(self._api.reload, resource))
        self._terminal.clear_progress()
        return resource

    def patiently(self, read: Callable[[], T]) -> T:
        """What `read` returns, which changes nothing: a portal that is away is waited for. Raises `CliError`."""
        pause, away = _FIRST_PAUSE, ""
        while True:
            try:
                return read()
            except CliError as error:
                if error.code is not ExitCode.UNREACHABLE or self._terminal.now() >= self._deadline:
                    raise
                away = away or f"{error} Waiting for it."  # one line, also if the reason is another one after a while
            self._terminal.progress(away)
            self._terminal.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _pause(self, resource: Json, seconds: float) -> None:
        what = f"{describe(resource)}: {printable(resource.get('state'))}"
        why = printable(resource.get("transitioningMessage") or "")
        if self._terminal.now() >= self._deadline:
            reason = f" ({why})" if why else ""
            raise CliError(
                f"{what}{reason}, after {self._seconds:.0f} seconds. It goes on; `corral wait` waits for it again.",
                ExitCode.TIMEOUT,
            )
        health = resource.get("healthState")
        text = f"{what}{f', {health}' if health else ''}{f': {why}' if why else ''}"
        percent = percent_of(resource)
        if percent is None:
            self._terminal.progress(text)
        else:
            self._terminal.progress_bar(percent, text)
        self._terminal.sleep(seconds)


def percent_of(resource: Json) -> float | None:
    """How far the resource is, from 0 to 100; None where the portal does not say."""
    said = resource.get("transitioningProgress")
    return float(said) if isinstance(said, (int, float)) and not isinstance(said, bool) else None
