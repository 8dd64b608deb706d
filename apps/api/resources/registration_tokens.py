"""`registrationToken`: the tokens that hosts join an environment with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Action,
    Data,
    Link,
    Resource,
    RowContext,
)
from apps.api.wire.roles import TypeRoles
from apps.control.services import request_change
from apps.hosts.models import RegistrationToken
from apps.hosts.selectors import portal_base_url, registration_command
from apps.hosts.services import (
    token_act,
    token_create,
    token_ensure,
    token_rotate,
)


def _command_part(name: str) -> Callable[[RowContext], str | None]:
    """A part of the registration command.

    v1 has null until the token is active. Playbooks that list the tokens once must not meet that moment, and the token
    works as soon as it is stored.
    """

    def value(context: RowContext) -> str | None:
        if context.row.desired != "active" or context.row.display_state not in {"active", "registering", "requested"}:
            return None
        return registration_command(context.row, f"{portal_base_url(context.caller.base)}/v1")[name]

    return value


def _rotate(caller: ApiCaller, row: RegistrationToken, _data: Data) -> None:
    token_rotate(row, actor=caller.actor)


class RegistrationTokenResource(Resource):
    """A token for new hosts; only callers who may add hosts see it."""

    name = "registrationToken"
    base_type = "credential"
    model = RegistrationToken
    roles = TypeRoles(user="r", admin="r", environment={"hosts": "cr"})
    own_fields = parse_fields("""
        command         string r
        image           string r
        registrationUrl string r
        token           string r
    """)
    computed = {name: _command_part(name) for name in ("command", "image", "registrationUrl", "token")}
    custom_actions = {"rotate": Action(_rotate, permission="hosts", states=frozenset({"active"}))}
    links = {"account": Link("project", attribute="environment_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """The tokens of the environments where the caller may add hosts."""
        return RegistrationToken.objects.within(caller.environments("hosts"))

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> Any:  # noqa: ARG002 - the base's signature
        """The same; listing an environment's tokens creates the first one."""
        # Playbooks written for Rancher list the tokens first and expect one.
        if caller.environment is not None:
            token_ensure(actor=caller.actor, environment=caller.environment)
        return self.rows(caller)

    def create(self, caller: ApiCaller, data: Data) -> RegistrationToken:  # noqa: ARG002 - the type takes no fields
        """Create another token."""
        return token_create(actor=caller.actor, environment=caller.require_environment())

    def update(self, caller: ApiCaller, row: RegistrationToken, data: Data) -> None:
        """Change name or description."""
        request_change(row, "update", actor=caller.actor, changes=data, request=data)

    def act(self, caller: ApiCaller, row: RegistrationToken, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        token_act(row, action, actor=caller.actor)
