"""`account`: people who can log in."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import User
from apps.accounts.services import account_act, account_create, account_update
from apps.api.resources.effective_access import access_of_account
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import (
    Data,
    Link,
    Resource,
)
from apps.api.wire.roles import TypeRoles


class AccountResource(Resource):
    """An account; administrators see and change all of them, others see themselves."""

    name = "account"
    model = User
    roles = TypeRoles(user="r", admin="crud", environment={"view": "r"})
    own_fields = parse_fields("""
        kind           string   cu <kind
        login          string   c  <login 1..255 ^
        password       password c  ! ^
        externalId     string   r
        externalIdType string   r
        identity       reference[identity] r
    """)
    omitted_fields = frozenset({"accountId"})
    links = {
        "effectiveAccess": Link(call=access_of_account, permission=""),
        "apiKeys": Link("apiKey", column="account"),
    }
    computed = {
        "externalIdType": lambda _context: "rancher_id",
        "externalId": lambda context: f"1a{context.row.pk}",
        "identity": lambda context: f"1i!rancher_id:1a{context.row.pk}",
        "password": lambda _context: None,
    }

    def rows(self, caller: ApiCaller) -> Any:
        """The caller's own account; all for administrators; none for an environment key."""
        rows = User.objects.all()
        if caller.actor.is_admin:
            return rows
        return rows.filter(pk=caller.actor.user.pk) if caller.actor.user and caller.actor.scope is None else rows.none()

    def create(self, caller: ApiCaller, data: Data) -> User:
        """A new local account; one with a password logs in under its name unless it is given another to log in with."""
        password = data.get("password")
        login = data.get("login") or (data.get("name", "") if password is not None else "")
        more = pick(data, name="name", kind="kind", description="description")
        return account_create(actor=caller.actor, login=login, password=password, **more)

    def update(self, caller: ApiCaller, row: User, data: Data) -> None:
        """Change name, description or kind."""
        account_update(row, actor=caller.actor, **data)

    def act(self, caller: ApiCaller, row: User, action: str) -> None:
        """Activate, deactivate, remove, purge, restore."""
        account_act(row, action, actor=caller.actor)
