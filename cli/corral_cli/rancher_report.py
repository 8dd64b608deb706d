"""The report of an import: a line for each row of the old server, with what has become of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from corral_cli.errors import CliError, ExitCode
from corral_cli.portal_api import Json
from corral_cli.terminal import printable

CARRIED, DIFFERS, THERE = "carried", "differs", "there"
BY_HAND, LEFT, REFUSED = "by hand", "not carried", "refused"
STATES = (CARRIED, DIFFERS, THERE, BY_HAND, LEFT, REFUSED)
FINAL = frozenset({ExitCode.UNREACHABLE, ExitCode.CREDENTIALS, ExitCode.TIMEOUT})
"""Refusals that are true of whatever is tried next as well."""
_MAX_NOTE = 600


@dataclass(frozen=True)
class ImportLine:
    """One row of the old server: what has become of it, or would, and what is to be known or done."""

    environment: str
    type: str
    name: str
    state: str
    note: str = ""

    def as_row(self) -> dict[str, str]:
        """As it is printed."""
        return {
            "environment": printable(self.environment),
            "type": self.type,
            "name": printable(self.name),
            "state": self.state,
            "note": printable(self.note)[:_MAX_NOTE],
        }


@dataclass
class ImportReport:
    """The lines so far; `environment` is the one that is imported now, empty for what belongs to none."""

    lines: list[ImportLine] = field(default_factory=list)
    environment: str = ""

    def add(self, kind: str, row: Json | str, state: str, note: str = "") -> None:
        """A line for a row of the old server."""
        name = row if isinstance(row, str) else str(row.get("name") or row.get("id") or "")
        self.lines.append(ImportLine(self.environment, kind, name, state, note))

    def refuse(self, kind: str, row: Json | str, error: CliError, remedy: str = "") -> None:
        """A line for what the portal refuses. Raises the error again where it would be so with everything else too."""
        if error.code in FINAL:
            raise error
        self.add(kind, row, REFUSED, f"{str(error).rstrip('.')}; {remedy}" if remedy else str(error))
