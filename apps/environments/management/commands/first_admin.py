"""`manage.py first_admin --login NAME`: the first administrator, without the set-up link but with what it gives."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.services import first_admin_create
from apps.core.errors import Problem
from apps.environments.services import ensure_default_environment, owner_add


class Command(BaseCommand):
    """Makes the first administrator."""

    help = "Make the first administrator; the password is the first line of standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        """The log-in name."""
        parser.add_argument("--login", required=True)

    def handle(self, *_: Any, **options: Any) -> None:
        """Read the password and make the account."""
        password = sys.stdin.readline().rstrip("\n")
        try:
            user = first_admin_create(login=options["login"], password=password)
            owner_add(ensure_default_environment(), user)
        except Problem as problem:
            raise CommandError(problem.message) from None
        self.stdout.write(f"The administrator {user.login} can log in.")
