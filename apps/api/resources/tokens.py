"""`token`: log-in without a browser."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from apps.accounts.login.credentials import check_credentials
from apps.accounts.login.open_mode import open_mode_enabled
from apps.accounts.login.second_factor import code_check, next_login_step
from apps.accounts.models import User
from apps.accounts.services import record_login
from apps.api.resources.identities import account_identity
from apps.api.wire.auth import issue_token
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource
from apps.api.wire.roles import TypeRoles
from apps.core.defaults import setting
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.ids import wire_id
from apps.environments.actor import actor_of_user
from apps.environments.services import ensure_own_environment


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The one row of the type: how to log in, or the token just issued."""

    user: User | None = None
    jwt: str | None = None

    @property
    def pk(self) -> str:
        """A fixed name: an issued token cannot be read again."""
        return "session" if self.user else "token"


def _require_second_factor(user: User, code: str | None, address: str) -> None:
    """Require the second factor of accounts that have one."""
    step = next_login_step(user, str(getattr(user, "backend", "")))
    if step == "enrol":
        message = "A second factor is required of accounts like yours: log in to the console once to set it up."
        raise Problem(message, status=401, code="TotpEnrolmentRequired")
    if step == "code" and not code:
        message = "Send the code from your authenticator, or a recovery code, in the field totp."
        raise Problem(message, status=401, code="TotpRequired", field="totp")
    # A wrong code is a 401 like a wrong password, where `Invalid` would be a 422.
    if step == "code" and code:
        try:
            code_check(user, code, address=address, field="totp")
        except Invalid as problem:
            raise Problem(problem.message, status=401, code="Unauthorized", field="totp") from None


class TokenResource(Resource):
    """POST `{"code": "<name>:<password>"}` returns `jwt`, for use as a bearer token."""

    name = "token"
    roles = TypeRoles(anonymous="cr")
    sortable = False
    own_fields = parse_fields("""
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
        "code": lambda _context: None,
        "totp": lambda _context: None,
        "security": lambda _context: not open_mode_enabled(),
        "enabled": lambda _context: not open_mode_enabled(),
        "authProvider": lambda _context: setting("api.auth.provider.configured"),
        "userIdentity": lambda context: account_identity(context.row.user) if context.row.user else None,
        "accountId": lambda context: wire_id("a", context.row.user.pk) if context.row.user else None,
    }

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[IssuedToken]:  # noqa: ARG002 - the base's signature
        """How to log in here."""
        return [IssuedToken()]

    def find(self, caller: ApiCaller, key: int | str | None) -> IssuedToken | None:  # noqa: ARG002 - the base's signature
        """How one logs in here; an issued token is not shown again."""
        return IssuedToken() if key == "token" else None

    def create(self, caller: ApiCaller, data: Data) -> IssuedToken:
        """Log in; the first log-in of an account without an environment creates one for it."""
        login, colon, password = data["code"].partition(":")
        if not colon:
            raise Forbidden('Write the code as "<name>:<password>".')
        address = caller.actor.address
        user = check_credentials(None, login, password, address=address)
        _require_second_factor(user, data.get("totp"), address)
        record_login(user, address, via="api")
        ensure_own_environment(user, actor=actor_of_user(user, "api", address=address))
        return IssuedToken(user, issue_token(user, address=address, agent=caller.agent))
