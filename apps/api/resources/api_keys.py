"""`apiKey`: keys of accounts, and of an environment for requests inside one."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import QueryDict

from apps.accounts.key_limits import parse_time
from apps.accounts.models import ApiKey
from apps.api.resources.effective_access import access_of_key
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Data,
    Link,
    Resource,
    RowContext,
)
from apps.api.wire.roles import TypeRoles
from apps.core.ids import row_number, wire_id
from apps.environments.access import environment_of
from apps.environments.models import Environment
from apps.environments.services import account_key_create, environment_key_create, key_act, key_change, key_create_for


def _account_id(context: RowContext) -> str:
    return wire_id("a", environment_of(context.row) or context.row.account_id)


def _role_name(context: RowContext) -> str | None:
    scope = getattr(context.row, "scope", None)
    return (scope.role if scope else context.row.role) or None


class ApiKeyResource(Resource):
    """A key pair; the secret is in the response that creates it and nowhere else.

    Not in Rancher's v1: `role` (never above its creator's, and later only narrowed), `expires` (empty: never) and
    `addresses`.
    """

    name = "apiKey"
    base_type = "credential"
    model = ApiKey
    roles = TypeRoles(user="crud", admin="crud", environment={"view": "r", "keys": "cud"})
    own_fields = parse_fields("""
        accountId   reference[account] cr
        publicValue string             r <public_value
        secretValue password           r !
        lastUsed    date               r <last_used
        lastUsedAddress string         r <last_address
        role        string             cu 1..32
        expires     date               cu <expires
        addresses   array[string]      cu ~
    """)
    links = {"effectiveAccess": Link(call=access_of_key, permission="")}
    computed = {
        "accountId": _account_id,
        "secretValue": lambda _context: None,
        "role": _role_name,
        "addresses": lambda context: context.row.addresses,
    }

    def rows(self, caller: ApiCaller) -> Any:
        """The account's own keys and those of its environments; for administrators those of all accounts."""
        rows = ApiKey.objects.select_related("scope", "account")
        inside = Q(scope__environment__in=caller.environments())
        if caller.environment is not None:
            return rows.filter(inside)
        personal = Q(scope=None) if caller.actor.is_admin else Q(scope=None, account=caller.actor.user)
        return rows.filter(inside | personal)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> Any:  # noqa: ARG002 - the base's signature
        """Outside any environment, only the keys of accounts."""
        rows = self.rows(caller)
        return rows if caller.environment is not None else rows.filter(scope=None)

    def create(self, caller: ApiCaller, data: Data) -> Any:
        """Create a key of the account or environment `accountId`, else of the request's environment, else one's own."""
        _parse_expiry(data)
        named = data.pop("accountId", "")
        if named:
            created = key_create_for(row_number(named), actor=caller.actor, **data)
        elif caller.environment is not None:
            created = environment_key_create(actor=caller.actor, environment=caller.environment, **data)
        else:
            created = account_key_create(actor=caller.actor, **data)
        return created.key, {"secretValue": created.secret}

    def update(self, caller: ApiCaller, row: ApiKey, data: Data) -> None:
        """Change name, description and limits."""
        _parse_expiry(data)
        key_change(row, actor=caller.actor, **data)

    def act(self, caller: ApiCaller, row: ApiKey, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        key_act(row, action, actor=caller.actor, environment=_environment(row))


def _parse_expiry(data: Data) -> None:
    """Convert `expires` to a time; empty means never."""
    if "expires" in data:
        data["expires"] = parse_time("expires", data["expires"]) if data["expires"].strip() else None


def _environment(row: ApiKey) -> Environment | None:
    scope = getattr(row, "scope", None)
    return scope.environment if scope else None
