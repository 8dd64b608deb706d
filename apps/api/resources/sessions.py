"""`loginSession`: where accounts are logged in."""

from __future__ import annotations

from typing import Any

from apps.accounts.login.proof import session_confirm
from apps.accounts.login.sessions import session_end, sessions_everywhere
from apps.accounts.models import Session
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Resource, register
from apps.environments.access import Verdict


@register
class SessionConfirmInput(Resource):
    """The password once more, and a code of the second factor where there is one."""

    name = "sessionConfirmInput"
    listable = False
    own = table("""
        password password cr *
        code     password cr
    """)


def _confirm(caller: Caller, row: Session, data: Data) -> None:
    session_confirm(row, data["password"], data.get("code", ""), actor=caller.actor)


@register
class LoginSession(Resource):
    """A browser or program that is logged in; deleting it logs it out. Ours, not v1's.

    `confirm` proves again who is in the current one: for ten minutes it may do what decides over the door itself.
    """

    name = "loginSession"
    model = Session
    own = table("""
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
    computed = {"current": lambda seen: seen.row == seen.caller.actor.session}

    verbs = {"confirm": Action(_confirm, input="sessionConfirmInput", permission="keys")}

    def verdict(self, caller: Caller, row: Session, action: str) -> Verdict:  # noqa: ARG002 - there is only one
        """Nobody speaks for another log-in."""
        mine = row == caller.actor.session
        return Verdict(allowed=mine, reason="" if mine else "Only the session that asks can be confirmed.")

    def rows(self, caller: Caller) -> Any:
        """One's own, or everybody's for an administrator; an environment key has none."""
        rows, actor = sessions_everywhere(), caller.actor
        if actor.is_admin:
            return rows
        return rows.filter(account=actor.user) if actor.user is not None and actor.scope is None else rows.none()

    def act(self, caller: Caller, row: Session, action: str) -> None:  # noqa: ARG002 - there is only one
        """Log it out."""
        session_end(row, actor=caller.actor)
