"""`password`: the passwords of local accounts, which nobody reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.accounts.login.passwords import password_change, password_set
from apps.accounts.models import User
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Action,
    Data,
    Resource,
)
from apps.api.wire.roles import USER_INPUT, TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.environments.access import Verdict


class ChangeSecretInputResource(EmbeddedResource):
    """What changing a password takes."""

    name = "changeSecretInput"
    roles = USER_INPUT
    own_fields = parse_fields("""
        oldSecret password cr *
        newSecret password cr *
    """)


@dataclass(frozen=True, slots=True)
class LocalPassword:
    """The password of an account."""

    account: User

    @property
    def pk(self) -> int:
        """Known by its account's number."""
        return int(self.account.pk)


def _change(caller: ApiCaller, row: LocalPassword, data: Data) -> None:
    password_change(
        row.account, data["oldSecret"], data["newSecret"], actor=caller.actor, old_field="oldSecret", field="newSecret"
    )


class PasswordResource(Resource):
    """A local account's password: POST sets anybody's (administrators), `changesecret` one's own with the old one."""

    name = "password"
    roles = TypeRoles(user="r", admin="cr", environment={"view": "r"})
    sortable = False
    own_fields = parse_fields("""
        accountId   reference[account] cr <pk
        publicValue string             cr <account__login
        secretValue password           c  * !
        state       string             r  <account__desired
    """)
    computed = {"secretValue": lambda _context: None}
    custom_actions = {"changesecret": Action(_change, input="changeSecretInput", permission="keys")}

    def verdict(self, caller: ApiCaller, row: LocalPassword, action: str) -> Verdict:  # noqa: ARG002 - there is only one
        """Only its owner changes a password; an administrator sets a new one with POST."""
        if caller.actor.user == row.account:
            return Verdict(allowed=True)
        return Verdict(allowed=False, reason="Only its owner changes a password; administrators set a new one (POST).")

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[LocalPassword]:  # noqa: ARG002 - the base's signature
        """One's own, or everybody's for an administrator, where there is one."""
        rows = User.objects.filter(removed=None)
        if not caller.actor.is_admin:
            mine = caller.actor.user is not None and caller.actor.scope is None
            rows = rows.filter(pk=caller.actor.user.pk) if mine and caller.actor.user else rows.none()
        return [LocalPassword(account) for account in rows if account.has_usable_password()]

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:
        """The password of the account with this number."""
        return next((row for row in self.list_rows(caller, QueryDict()) if row.pk == key), None)

    def create(self, caller: ApiCaller, data: Data) -> LocalPassword:
        """Give the account, named by id or by log-in name, this password."""
        number, login = row_number(data.get("accountId") or ""), data.get("publicValue", "")
        rows = User.objects.filter(removed=None)
        row = rows.filter(pk=number).first() if number else rows.filter(login__iexact=login).first()
        if row is None or not caller.actor.is_admin:
            raise Invalid("accountId", "InvalidReference", "There is no such account.")
        password_set(row, data["secretValue"], actor=caller.actor, field="secretValue")
        return LocalPassword(row)
