"""`registrationToken`: how more hosts join."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import QueryDict

from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Link, Resource, Seen, register
from apps.control.services import ask
from apps.hosts.models import RegistrationToken
from apps.hosts.selectors import portal_base, registration_command
from apps.hosts.services import token_act, token_create, token_ensure, token_rotate


def _of_command(name: str) -> Callable[[Seen], str | None]:
    """What the command is made of, once the token is active."""

    def value(seen: Seen) -> str | None:
        if seen.row.shown != "active":
            return None
        return registration_command(seen.row, f"{portal_base(seen.caller.base)}/v1")[name]

    return value


def _rotate(caller: Caller, row: RegistrationToken, _data: Data) -> None:
    token_rotate(row, actor=caller.actor)


@register
class RegistrationTokenType(Resource):
    """An environment's key for new hosts; only those who may add hosts see it."""

    name = "registrationToken"
    root = "credential"
    model = RegistrationToken
    own = table("""
        command         string r
        image           string r
        registrationUrl string r
        token           string r
    """)
    computed = {name: _of_command(name) for name in ("command", "image", "registrationUrl", "token")}
    verbs = {"rotate": Action(_rotate, permission="hosts", states=frozenset({"active"}))}
    links = {"account": Link("project", attribute="environment_id")}

    def rows(self, caller: Caller) -> Any:
        """The tokens of the environments where the caller may add hosts."""
        return RegistrationToken.objects.within(caller.environments("hosts"))

    def listed(self, caller: Caller, asked: QueryDict) -> Any:  # noqa: ARG002 - the base's signature
        """Those; the first one is made by asking for it."""
        if caller.environment is not None:
            token_ensure(actor=caller.actor, environment=caller.environment)
        return self.rows(caller)

    def create(self, caller: Caller, data: Data) -> RegistrationToken:  # noqa: ARG002 - there is nothing to say
        """One more."""
        return token_create(actor=caller.actor, environment=caller.inside())

    def update(self, caller: Caller, row: RegistrationToken, data: Data) -> None:
        """Change name or description."""
        ask(row, "update", actor=caller.actor, changes=data, request=data)

    def act(self, caller: Caller, row: RegistrationToken, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        token_act(row, action, actor=caller.actor)
