"""`account`: people who can log in."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.accounts.models import User
from apps.accounts.services import account_act, account_create, account_update
from apps.api.resources.effective_access import access_of_account
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.query import MAX_LIMIT, apply_filters
from apps.api.wire.resource import (
    Data,
    Link,
    Resource,
    counterpart,
)
from apps.api.wire.roles import TypeRoles
from apps.api.wire.serialize import serialize_row
from apps.environments.models import Environment


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

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> Any:
        """The accounts; asked for by name or kind, environments too, which are accounts of the kind `project` in v1.

        Its command line finds the environment that a person names this way.
        """
        rows = self.rows(caller)
        project = counterpart("project", caller.dialect)
        if project is None or not {"name", "kind"} & set(query_params):
            return rows
        found = [apply_filters(self, rows, query_params)[0]]
        found.append(apply_filters(project, project.rows(caller).filter(removed=None), query_params)[0])
        return [row for each in found for row in each.order_by("pk")[:MAX_LIMIT]]

    def find_to_read(self, caller: ApiCaller, key: int | str | None) -> Any:
        """An account, or the environment with this number: both have numbers of one row."""
        project = counterpart("project", caller.dialect)
        return self.find(caller, key) or (project.find(caller, key) if project else None)

    def custom_body(self, caller: ApiCaller, row: Any) -> Data | None:
        """An environment as the project it is."""
        project = counterpart("project", caller.dialect)
        return serialize_row(project, caller, row) if project and isinstance(row, Environment) else None

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
