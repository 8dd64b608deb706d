"""`manage.py api_key --login NAME [--environment N]`: make an API key and print it once, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import User
from apps.accounts.services import key_create
from apps.core.errors import Problem
from apps.core.ids import wire_id
from apps.environments.access import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_key_create


class Command(BaseCommand):
    """Makes an API key."""

    help = "Make an API key of an account (for one environment if given) and print access key and secret as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose key, and where it acts."""
        parser.add_argument("--login", required=True)
        parser.add_argument("--environment", type=int, help="its number, as in 1a5")
        parser.add_argument("--name", default="made on the command line")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make and print it."""
        user = User.objects.filter(login__iexact=options["login"], removed=None).first()
        if user is None:
            raise CommandError(f"There is no account {options['login']!r}.")
        try:
            made = self._make(user, options["environment"], options["name"])
        except Problem as problem:
            raise CommandError(problem.message) from None
        except Environment.DoesNotExist:
            raise CommandError(f"There is no environment {options['environment']}.") from None
        said = {"accessKey": made.key.public_value, "secretKey": made.secret}
        if options["environment"]:
            said["environment"] = wire_id("a", options["environment"])
        self.stdout.write(json.dumps(said))

    def _make(self, user: User, number: int | None, name: str) -> Any:
        actor = actor_of_user(user, "cli")
        if number is None:
            return key_create(actor=actor, account=user, name=name)
        return environment_key_create(actor=actor, environment=Environment.objects.get(pk=number), name=name)
