"""`manage.py api_key --login NAME [--environment N] [--role R] ...`: make an API key and print it once, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.key_limits import parse_time
from apps.accounts.models import User
from apps.accounts.services import NewKey
from apps.core.errors import Problem
from apps.core.ids import wire_id
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import account_key_create, environment_key_create


class Command(BaseCommand):
    """Makes an API key."""

    help = "Make an API key of an account (for one environment if given) and print access key and secret as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose key, and where it acts."""
        parser.add_argument("--login", required=True)
        parser.add_argument("--environment", type=int, help="its number, as in 1a5")
        parser.add_argument("--name", default="made on the command line")
        parser.add_argument("--role", default="", help="what it may do at most")
        parser.add_argument("--expires", default="", help="when it ends, as in 2027-01-31T12:00:00Z")
        parser.add_argument("--address", action="append", default=[], help="the only address or network it works from")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make and print it."""
        user = User.objects.filter(login__iexact=options["login"], removed=None).first()
        if user is None:
            raise CommandError(f"There is no account {options['login']!r}.")
        try:
            made = self._make(user, options)
        except Problem as problem:
            raise CommandError(problem.message) from None
        except Environment.DoesNotExist:
            raise CommandError(f"There is no environment {options['environment']}.") from None
        details = {"accessKey": made.key.public_value, "secretKey": made.secret}
        if options["environment"]:
            details["environment"] = wire_id("a", options["environment"])
        self.stdout.write(json.dumps(details))

    def _make(self, user: User, options: Mapping[str, Any]) -> NewKey:
        actor, number = actor_of_user(user, "cli"), options["environment"]
        expires = parse_time("expires", options["expires"]) if options["expires"] else None
        limits = {"role": options["role"], "expires": expires, "addresses": options["address"]}
        if number is None:
            return account_key_create(actor=actor, name=options["name"], **limits)
        environment = Environment.objects.get(pk=number)
        return environment_key_create(actor=actor, environment=environment, name=options["name"], **limits)
