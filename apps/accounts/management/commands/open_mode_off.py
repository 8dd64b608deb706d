"""`manage.py open_mode_off`: access control on again, at once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.accounts.login.open_mode import open_mode_off


class Command(BaseCommand):
    """Switches open mode off."""

    help = "Switch access control on: nobody acts as the administrator without a credential any more."

    def handle(self, *_: Any, **__: Any) -> None:
        """Do it and say so."""
        open_mode_off(actor=None)
        self.stdout.write("Access control is on.")
