"""Passwords of local accounts: changed by their owner with the old one, or set by an administrator."""

from __future__ import annotations

from apps.accounts.login.password_policy import MAX_PASSWORD_LENGTH, password_check
from apps.accounts.login.sessions import sessions_close
from apps.accounts.login.throttle import login_attempt
from apps.accounts.models import User
from apps.core import hooks
from apps.core.errors import Forbidden, Invalid
from apps.core.hooks import ActorProtocol
from apps.core.services import require_person, require_recent_auth


def password_set(user: User, password: str, *, actor: ActorProtocol | None, field: str = "password") -> int:
    """Give an account a new password, as an administrator or (None) from the machine's own command line.

    Ends its sessions and returns how many. Raises `Forbidden` for other actors and for keys, `ReauthenticationRequired`
    without a recent authentication, `Invalid` at `field` for a weak password.
    """
    if actor is not None:
        if not actor.is_admin:
            raise Forbidden("Only administrators may set somebody's password.")
        require_person(actor)
        require_recent_auth(actor)
    return _store_password(user, password, actor=actor, keep="", field=field)


def password_change(
    user: User,
    old: str,
    new: str,
    *,
    actor: ActorProtocol,
    keep: str = "",
    old_field: str = "current",
    field: str = "password",
) -> int:
    """Change one's own password; ends the sessions except the one with the key `keep` and returns how many.

    Raises `Invalid` at the field that is wrong, `Forbidden` for keys, `Problem` (429) after too many wrong tries.
    """
    require_person(actor)
    if not user.has_usable_password():
        raise Invalid(old_field, "InvalidFormat", "Your password is kept by the log-in provider; change it there.")
    verify_password(user, old, actor=actor, field=old_field)
    if new == old:
        raise Invalid(field, "InvalidFormat", "The new password is the old one; choose another.")
    return _store_password(user, new, actor=actor, keep=keep, field=field)


def verify_password(user: User, password: str, *, actor: ActorProtocol, field: str) -> None:
    """Check an account's own password again; guessing is throttled as at the login."""
    address = str(getattr(actor, "address", ""))
    with login_attempt(user.login, address):
        if len(password) > MAX_PASSWORD_LENGTH or not user.check_password(password):
            raise Invalid(field, "InvalidFormat", "This is not your current password.")


def _store_password(
    user: User, password: str, *, actor: ActorProtocol | None, keep: str, field: str = "password"
) -> int:
    password_check(password, user, field=field)
    user.set_password(password)
    User.all_objects.filter(pk=user.pk).update(password=user.password)
    ended = sessions_close(user, keep=keep)
    hooks.record("account.password", actor=actor, row=user, request={"sessionsEnded": ended})
    return ended
