"""Passwords of local accounts: one's own with the old one, anybody's by an administrator."""

from __future__ import annotations

from apps.accounts.login.policy import LONGEST, password_check
from apps.accounts.login.sessions import sessions_close
from apps.accounts.models import User
from apps.accounts.selectors import login_wait
from apps.accounts.services import login_failed
from apps.core import ports
from apps.core.errors import Forbidden, Invalid, Problem
from apps.core.ports import Asker
from apps.core.services import insist_fresh


def password_set(user: User, password: str, *, actor: Asker | None, field: str = "password") -> int:
    """Give an account a new password, as an administrator or (None) from the machine's own command line.

    Its sessions end; how many that were. Raises `Forbidden` for others, `Stale` without a recent proof, `Invalid` at
    `field` for a weak password.
    """
    if actor is not None:
        if not actor.is_admin:
            raise Forbidden("Only administrators may set somebody's password.")
        insist_fresh(actor)
    return _write(user, password, actor=actor, keep="", field=field)


def password_change(
    user: User, old: str, new: str, *, actor: Asker, keep: str = "", old_field: str = "current", field: str = "password"
) -> int:
    """Change one's own password; sessions other than the one with the key `keep` end, and are counted.

    Raises `Invalid` at the field that is wrong, `Problem` (429) after too many wrong tries.
    """
    if not user.has_usable_password():
        raise Invalid(old_field, "InvalidFormat", "Your password is kept by the log-in provider; change it there.")
    prove(user, old, actor=actor, field=old_field)
    if new == old:
        raise Invalid(field, "InvalidFormat", "The new password is the old one; choose another.")
    return _write(user, new, actor=actor, keep=keep, field=field)


def prove(user: User, password: str, *, actor: Asker, field: str) -> None:
    """Check an account's own password again, as slow for a guesser as logging in is."""
    address = str(getattr(actor, "address", ""))
    wait = login_wait(user.login, address)
    if wait:
        raise Problem(f"Too many wrong passwords; try again in {wait} s.", status=429, code="Too Many Requests")
    if len(password) > LONGEST or not user.check_password(password):
        login_failed(user.login, address)
        raise Invalid(field, "InvalidFormat", "This is not your current password.")


def _write(user: User, password: str, *, actor: Asker | None, keep: str, field: str = "password") -> int:
    password_check(password, user, field=field)
    user.set_password(password)
    User.all_objects.filter(pk=user.pk).update(password=user.password)
    ended = sessions_close(user, keep=keep)
    ports.record("account.password", actor=actor, row=user, request={"sessionsEnded": ended})
    return ended
