"""A container's logs, shells and statistics as streams, opened on the engine that holds it."""

from __future__ import annotations

import shlex

from django.utils.dateparse import parse_datetime

from apps.containers.models import Container
from apps.containers.policy.enforce import enforce_current_policy, enforce_mount_policy
from apps.core.errors import Conflict, Invalid
from apps.core.hooks import hooks
from apps.drivers.base import (
    Driver,
    EngineError,
    EngineNotFound,
    ExecSession,
    LogLine,
    Stream,
)
from apps.environments.access import Verdict, can
from apps.environments.actor import Actor
from apps.hosts.selectors import driver_of
from apps.hosts.stats.live import StatsListener, StatsSubscription, watch_container

MOST_LINES = 5000
DEFAULT_SHELL = [
    "/bin/sh",
    "-c",
    "TERM=xterm-256color; export TERM; command -v bash >/dev/null && exec bash || exec sh",
]

KEYS_WITHIN = "Private keys of certificates lie in it: a shell in it needs a role that may see secret values."

_RUNNING = ("running", "restarting", "paused")


def parse_command(text: str) -> list[str]:
    """The words of a typed command, the best shell of the container when it is empty; raises `Invalid`."""
    try:
        return shlex.split(text) or DEFAULT_SHELL
    except ValueError as error:
        raise Invalid("command", "InvalidFormat", f"{text!r} is not a command ({error}); close its quotes.") from None


def logs_open(
    row: Container, *, tail: int | None = 500, since: str = "", until: str = "", follow: bool = True
) -> Stream[LogLine]:
    """The container's output; at most 5,000 old lines when it is followed. Raises `Invalid` for a bad time."""
    engine, name = _engine(row)
    for field, text in (("since", since), ("until", until)):
        if text and not _is_time(text):
            raise Invalid(field, "InvalidFormat", f"{text!r} is not a valid time; write it as 2026-01-31T12:00:00Z.")
    if follow:
        tail = max(0, min(MOST_LINES if tail is None else tail, MOST_LINES))
    return engine.logs(name, follow=follow, tail=tail, since=since, until=until)


def shell_verdict(actor: Actor, row: Container) -> Verdict:
    """Whether somebody may open a shell in a container; where keys lie in it they must see secret values too."""
    found = can(actor, "exec", row.environment_id)
    if not found or can(actor, "values", row.environment_id) or not hooks.holds_keys(row):
        return found
    return Verdict(allowed=False, reason=KEYS_WITHIN, is_forbidden=True)


def enforce_shell_policy(row: Container) -> None:
    """Raise `Invalid` where the container violates the host policy: a shell in it would be one on its host."""
    enforce_current_policy(row, "entered by a shell")


def shell_open(row: Container, command: list[str]) -> ExecSession:
    """A command with a terminal inside the container; raises `Invalid` for one that the host policy does not allow."""
    return command_open(row, command, tty=True)


def command_open(row: Container, command: list[str], *, tty: bool) -> ExecSession:
    """A command inside the container, with a terminal or without one.

    Raises `Invalid` for a container that the host policy does not allow.
    """
    enforce_shell_policy(row)
    engine, name = _engine(row)
    enforce_mount_policy(row, engine, engine.inspect(name))
    return engine.exec(name, command, tty=tty)


def stats_watch(row: Container, listener: StatsListener) -> StatsSubscription:
    """Statistics of the container, shared with everybody else who watches it."""
    engine, name = _engine(row)
    return watch_container(row.pk, engine, name, listener)


def stream_end_reason(row: Container) -> tuple[str, bool]:
    """Why a stream of this container ended, for people, and whether the container was removed.

    A stream ends without an error when the connection to the engine dies, so this inspects the container.
    """
    try:
        engine, name = _engine(row)
        seen = engine.inspect(name)
    except EngineNotFound:
        return "The container is gone.", True
    except (EngineError, Conflict) as error:
        return str(error), False
    if seen.state in _RUNNING:
        return "The stream ended.", False
    code = "" if seen.exit_code is None else f" (exit code {seen.exit_code})"
    return f"The container stopped{code}.", False


def _is_time(text: str) -> bool:
    try:
        found = parse_datetime(text)
    except ValueError:
        return False
    return found is not None and found.tzinfo is not None  # engines refuse a date alone, and a time without a zone


def _engine(row: Container) -> tuple[Driver, str]:
    if row.host is None or not row.external_id:
        raise Conflict(f"{row.name or 'The container'} is not on a host yet; try again when it runs.")
    return driver_of(row.host), row.external_id
