"""`loginSession`: the sessions of accounts."""

from __future__ import annotations

from typing import Any

from apps.accounts.login.credentials import session_confirm
from apps.accounts.login.sessions import all_sessions, session_end
from apps.accounts.models import Session
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Action,
    Data,
    Resource,
)
from apps.api.wire.roles import USER_INPUT, TypeRoles
from apps.environments.access import Verdict


class SessionConfirmInputResource(EmbeddedResource):
    """The password again, and a code for accounts with a second factor."""

    name = "sessionConfirmInput"
    roles = USER_INPUT
    own_fields = parse_fields("""
        password password cr *
        code     password cr
    """)


def _confirm(caller: ApiCaller, row: Session, data: Data) -> None:
    session_confirm(row, data["password"], data.get("code", ""), actor=caller.actor)


class LoginSessionResource(Resource):
    """A browser or program that is logged in; deleting the session logs it out. Not in Rancher's v1.

    `confirm` authenticates the current session again: for ten minutes it may do what takes recent authentication.
    """

    name = "loginSession"
    model = Session
    roles = TypeRoles(user="rd", admin="rd", environment={"view": "rd"})
    own_fields = parse_fields("""
        accountId reference[account] r <account_id
        address   string             r <address
        agent     string             r <agent
        created   date               r <created
        confirmed date               r <confirmed
        current   boolean            r
        expires   date               r <expires
        lastSeen  date               r <last_seen
        provider  string             r <provider
        via       string             r <via
    """)
    computed = {"current": lambda context: context.row == context.caller.actor.session}

    custom_actions = {"confirm": Action(_confirm, input="sessionConfirmInput", permission="keys")}

    def verdict(self, caller: ApiCaller, row: Session, action: str) -> Verdict:  # noqa: ARG002 - the only action is confirm
        """Only the session of the request itself can be confirmed."""
        is_current = row == caller.actor.session  # a key has none
        reason = "" if is_current else "Only the session of this request can be confirmed."
        return Verdict(allowed=is_current, reason=reason)

    def rows(self, caller: ApiCaller) -> Any:
        """The caller's own, or all for administrators; a key that is held to a role or an environment sees none."""
        rows, actor = all_sessions(), caller.actor
        if actor.is_admin:
            return rows
        return rows.filter(account=actor.user) if actor.user is not None and actor.is_whole_account else rows.none()

    def act(self, caller: ApiCaller, row: Session, action: str) -> None:  # noqa: ARG002 - the only action is remove
        """Log it out."""
        session_end(row, actor=caller.actor)
