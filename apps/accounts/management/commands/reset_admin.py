"""`manage.py reset_admin --login NAME`: a new password for an administrator, or a new administrator."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.login.admin_reset import admin_reset
from apps.core.errors import Problem


class Command(BaseCommand):
    """Resets an administrator."""

    help = (
        "Give the administrator NAME a new password (making the account, or an administrator of it, if need be) and "
        "turn its second factor off. The password is asked for, or the first line of standard input."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose."""
        parser.add_argument("--login", required=True)

    def handle(self, *_: Any, **options: Any) -> None:
        """Do it and say so."""
        try:
            user = admin_reset(options["login"], self._password())
        except Problem as problem:
            raise CommandError(problem.message) from None
        self.stdout.write(f"The administrator {user.login} can log in with the new password; older sessions ended.")

    def _password(self) -> str:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\n")
        first = getpass.getpass("New password: ")
        if getpass.getpass("Again: ") != first:
            raise CommandError("These were two different passwords; nothing was changed.")
        return first
