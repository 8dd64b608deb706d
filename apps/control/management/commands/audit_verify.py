"""Verify the audit log: `audit_verify [environment ...]`; exits with 1 when something is wrong."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.control.audit.verify import ChainReport, chain_numbers, verify
from apps.core.plurals import counted


class Command(BaseCommand):
    """Checks every chain, or those of the environments named by number (0: the installation's own)."""

    help = "Verify the audit log's chains; says which line was changed, taken out or put in between."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which chains."""
        parser.add_argument("environment", nargs="*", type=int, help="numbers of environments; 0: logins and accounts")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a line for each chain, and one for each thing that is wrong."""
        reports = [verify(number) for number in chain_numbers(options["environment"] or None)]
        for report in reports:
            self._print(report)
        if not all(report.is_intact for report in reports):
            sys.exit(1)

    def _print(self, report: ChainReport) -> None:
        pruned = f", {report.pruned} forgotten by retention" if report.pruned else ""
        verdict = "whole" if report.is_intact else "BROKEN"
        self.stdout.write(
            f"{report.name}: {counted(report.lines, 'line')}{pruned}, {verdict}, end {report.digest or '-'}"
        )
        for fault in report.faults:
            self.stdout.write(f"  {f'line {fault.line} ' if fault.line else ''}{fault.what}")
