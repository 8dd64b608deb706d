"""`token`: logging in without a browser."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth import authenticate
from django.http import QueryDict

from apps.accounts.models import User
from apps.accounts.selectors import login_wait
from apps.accounts.services import login_failed, login_succeeded
from apps.api.resources.identities import identity_of
from apps.api.wire.auth import token_make
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Data, Resource, register
from apps.core.defaults import setting
from apps.core.errors import Forbidden, Problem, Unauthorized
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


@register
class TokenType(Resource):
    """POST `{"code": "<name>:<password>"}` answers `jwt`, good as a bearer token."""

    name = "token"
    sortable = False
    own = table("""
        code         string   c *
        jwt          string   r <jwt
        security     boolean  r =true
        enabled      boolean  r =true
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
        "security": lambda _seen: True,
        "enabled": lambda _seen: True,
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
        wait = login_wait(login, address)
        if wait:
            raise Problem(f"Too many failed log-ins; try again in {wait} s.", status=429, code="Too Many Requests")
        try:
            user = authenticate(username=login, password=password)
        except Problem:  # a directory is down, or the person may not come in: a failed try like any other
            login_failed(login, address)
            raise
        if not isinstance(user, User):
            login_failed(login, address)
            raise Unauthorized("Unauthorized")
        login_succeeded(user, address)
        if not Member.objects.filter(account=user).exists():
            environment_create(actor=actor_of_user(user, "api", address=address), name=f"{user.login}-Default")
        return Row(user, token_make(user, address=address, agent=caller.agent))
