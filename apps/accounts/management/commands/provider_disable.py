"""`manage.py provider_disable --kind ad`: switch a login provider off for somebody who locked everybody out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.accounts.providers.registry import provider_kinds
from apps.accounts.providers.services import provider_disable


class Command(BaseCommand):
    """Switches a login provider off."""

    help = "Switch a log-in provider off; local accounts can always log in."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which provider."""
        parser.add_argument("--kind", required=True, choices=sorted(provider_kinds()))

    def handle(self, *_: Any, **options: Any) -> None:
        """Do it and say so."""
        provider = provider_disable(options["kind"], actor=None)
        self.stdout.write(f"{provider} is off; local accounts can log in.")
