"""`token`: logging in without a browser."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from apps.accounts.login.factor import code_check, step_after_password
from apps.accounts.login.open_mode import is_open
from apps.accounts.login.proof import authenticated
from apps.accounts.models import User
from apps.accounts.services import login_succeeded
from apps.api.resources.identities import identity_of
from apps.api.wire.auth import token_make
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Data, Resource, register
from apps.core.defaults import setting
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.ids import wire_id
from apps.environments.access import actor_of_user
from apps.environments.models import Member
from apps.environments.services import environment_create


@dataclass(frozen=True, slots=True)
class Row:
    """The one token there is to see: how to get one, or the one just got."""

    user: User | None = None
    jwt: str | None = None

    @property
    def pk(self) -> str:
        """Known by a name; the token just got cannot be asked for again."""
        return "session" if self.user else "token"


def _second_step(user: User, code: str | None, address: str) -> None:
    """Ask for the second factor where the account has one."""
    step = step_after_password(user, str(getattr(user, "backend", "")))
    if step == "enrol":
        message = "A second factor is required of accounts like yours: log in to the console once to set it up."
        raise Problem(message, status=401, code="TotpEnrolmentRequired")
    if step == "code" and not code:
        message = "Send the code of your authenticator, or a recovery code, in the field totp."
        raise Problem(message, status=401, code="TotpRequired", field="totp")
    if step == "code" and code:
        try:
            code_check(user, code, address=address, field="totp")
        except Invalid as problem:
            raise Problem(problem.message, status=401, code="Unauthorized", field="totp") from None


@register
class TokenType(Resource):
    """POST `{"code": "<name>:<password>"}` answers `jwt`, good as a bearer token."""

    name = "token"
    sortable = False
    own = table("""
        code         string   c *
        totp         string   c
        jwt          string   r <jwt
        security     boolean  r
        enabled      boolean  r
        authProvider string   r
        user         string   r <user__login
        userIdentity identity r
        accountId    string   r
        userType     string   r <user__kind
        clientId     string   r
        hostname     string   r
        scheme       string   r
    """)
    computed = {
        "code": lambda _seen: None,
        "totp": lambda _seen: None,
        "security": lambda _seen: not is_open(),
        "enabled": lambda _seen: not is_open(),
        "authProvider": lambda _seen: setting("api.auth.provider.configured"),
        "userIdentity": lambda seen: identity_of(seen.row.user) if seen.row.user else None,
        "accountId": lambda seen: wire_id("a", seen.row.user.pk) if seen.row.user else None,
    }

    def listed(self, caller: Caller, asked: QueryDict) -> list[Row]:  # noqa: ARG002 - the base's signature
        """How one logs in here."""
        return [Row()]

    def find(self, caller: Caller, key: int | str | None) -> Row | None:  # noqa: ARG002 - the base's signature
        """How one logs in here; a token itself is not shown again."""
        return Row() if key == "token" else None

    def create(self, caller: Caller, data: Data) -> Row:
        """Log in; one's first log-in makes one's own environment."""
        login, colon, password = data["code"].partition(":")
        if not colon:
            raise Forbidden('Write the code as "<name>:<password>".')
        address = caller.actor.address
        user = authenticated(None, login, password, address=address)
        _second_step(user, data.get("totp"), address)
        login_succeeded(user, address, via="api")
        if not Member.objects.filter(account=user).exists():
            environment_create(actor=actor_of_user(user, "api", address=address), name=f"{user.login}-Default")
        return Row(user, token_make(user, address=address, agent=caller.agent))
