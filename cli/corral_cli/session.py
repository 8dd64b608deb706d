"""What a command has at hand: the terminal, the portal, how long to wait and in which form to answer."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any, NamedTuple

from corral_cli.contexts import ContextStore, PortalAccess, access_from
from corral_cli.output import Row, show_data
from corral_cli.portal_api import Json, PortalApi, describe
from corral_cli.terminal import UserTerminal, printable
from corral_cli.transport import HttpTransport, Transport
from corral_cli.waiting import DEFAULT_SECONDS, Waiter

_NOT_SHOWN = {"links", "actions"}


class CliCommand(NamedTuple):
    """A command: which arguments it takes, and what it does."""

    configure: Callable[[ArgumentParser], None]
    run: Callable[[CliSession, Namespace], int]


class CliSession:
    """One run of one command; the portal is not called before something is wanted of it."""

    def __init__(
        self, terminal: UserTerminal, options: Namespace, connect: Callable[[str], Transport] = HttpTransport
    ) -> None:
        self.terminal = terminal
        self.store = ContextStore(terminal.environ)
        self._options = options
        self._connect = connect
        self._api: PortalApi | None = None
        self._results: dict[object, dict[str, Any]] = {}

    @property
    def access(self) -> PortalAccess:
        """Which portal and key are used. Raises `CliError`."""
        stored = self.store.get(getattr(self._options, "context", None) or "")
        return access_from(vars(self._options), self.terminal.environ, stored)

    @property
    def api(self) -> PortalApi:
        """The portal."""
        if self._api is None:
            self._api = self.api_for(self.access)
        return self._api

    def api_for(self, access: PortalAccess) -> PortalApi:
        """Another portal, or the same one as somebody else."""
        return PortalApi(access, self.connect(access.ca), self.terminal)

    def connect(self, ca: str) -> Transport:
        """The way to a server whose certificate one of the authorities in the file `ca` may have signed."""
        return self._connect(ca)

    def transport(self) -> Transport:
        """Requests to others than the portal, with the authorities that everybody trusts."""
        return self._connect("")

    def anonymous_transport(self) -> Transport:
        """Requests without a key or a stored portal; only the authorities to trust are taken from there."""
        return self._connect(self.access.ca)

    @property
    def format(self) -> str:
        """In which form results are printed."""
        return str(getattr(self._options, "format", None) or "table")

    def report(self, text: str, row: Row) -> None:
        """Say what was done: a line for people now, for programs a row of the list that ends the command.

        A row of the same `id` as one before adds to that, such as its state after waiting.
        """
        if self.format == "table":
            self.terminal.print(text)
            return
        known = self._results.setdefault(row.get("id") or len(self._results), {})
        known.update((name, value) for name, value in row.items() if name not in _NOT_SHOWN)

    def report_resource(self, resource: Json, text: str, **more: Any) -> None:
        """The same of a resource of the portal, whose name stands before the text."""
        shown = {name: resource.get(name) for name in ("id", "type", "name", "state")}
        self.report(f"{describe(resource)}{text}", {**shown, **more})

    def report_state(self, resource: Json, **more: Any) -> None:
        """What a resource has come to be, after waiting for it."""
        self.report_resource(resource, f" is {printable(resource['state'])}", **more)

    def show_results(self) -> None:
        """Print what was reported, where it is for programs; also when the command failed after some of it."""
        if self._results:
            show_data(self.terminal, self.format, list(self._results.values()))
            self._results = {}

    def waiter(self) -> Waiter:
        """For what takes time."""
        seconds = getattr(self._options, "timeout", None) or DEFAULT_SECONDS
        return Waiter(self.api, self.terminal, float(seconds))
