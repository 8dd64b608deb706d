"""`password`: the passwords of local accounts, which are written and never read."""

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
    """The old and the new password for `changesecret`."""

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
        """The account's number."""
        return int(self.account.pk)


def _change(caller: ApiCaller, row: LocalPassword, data: Data) -> None:
    password_change(
        row.account, data["oldSecret"], data["newSecret"], actor=caller.actor, old_field="oldSecret", field="newSecret"
    )


class PasswordResource(Resource):
    """A local account's password: administrators set any with POST, `changesecret` changes the caller's own."""

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

    def verdict(self, caller: ApiCaller, row: LocalPassword, action: str) -> Verdict:  # noqa: ARG002 - the only action is changesecret
        """Only the owner can change a password; administrators set a new one with POST."""
        if caller.actor.user == row.account and caller.actor.is_person:
            return Verdict(allowed=True)
        reason = "Only the owner can change it, logged in and not by a key; administrators set a new one with POST."
        return Verdict(allowed=False, reason=reason)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[LocalPassword]:  # noqa: ARG002 - the base's signature
        """The caller's own, or for administrators those of all accounts that have one."""
        rows = User.objects.filter(removed=None)
        if not caller.actor.is_admin:
            actor = caller.actor
            rows = rows.filter(pk=actor.user.pk) if actor.user is not None and actor.is_whole_account else rows.none()
        return [LocalPassword(account) for account in rows if account.has_usable_password()]

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:
        """The password of the account with this number."""
        return next((row for row in self.list_rows(caller, QueryDict()) if row.pk == key), None)

    def create(self, caller: ApiCaller, data: Data) -> LocalPassword:
        """Set the password of an account, given by id or by login name."""
        number, login = row_number(data.get("accountId") or ""), data.get("publicValue", "")
        rows = User.objects.filter(removed=None)
        row = rows.filter(pk=number).first() if number else rows.filter(login__iexact=login).first()
        if row is None or not caller.actor.is_admin:
            raise Invalid("accountId", "InvalidReference", "There is no such account.")
        password_set(row, data["secretValue"], actor=caller.actor, field="secretValue")
        return LocalPassword(row)
