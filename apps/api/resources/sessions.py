"""`loginSession`: where accounts are logged in."""

from __future__ import annotations

from typing import Any

from apps.accounts.login.sessions import session_end, sessions_everywhere
from apps.accounts.models import Session
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Resource, register


@register
class LoginSession(Resource):
    """A browser or program that is logged in; deleting it logs it out. Ours, not v1's."""

    name = "loginSession"
    model = Session
    own = table("""
        accountId reference[account] r <account_id
        address   string             r <address
        agent     string             r <agent
        created   date               r <created
        current   boolean            r
        expires   date               r <expires
        lastSeen  date               r <last_seen
        provider  string             r <provider
        via       string             r <via
    """)
    computed = {"current": lambda seen: seen.row == seen.caller.actor.session}

    def rows(self, caller: Caller) -> Any:
        """One's own, or everybody's for an administrator; an environment key has none."""
        rows, actor = sessions_everywhere(), caller.actor
        if actor.is_admin:
            return rows
        return rows.filter(account=actor.user) if actor.user is not None and actor.scope is None else rows.none()

    def act(self, caller: Caller, row: Session, action: str) -> None:  # noqa: ARG002 - there is only one
        """Log it out."""
        session_end(row, actor=caller.actor)
