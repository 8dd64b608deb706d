"""Proving who one is: by name and password, slowed down for guessers, and again for what decides over the door."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.login.passwords import verify_password
from apps.accounts.login.second_factor import code_check, factor_of
from apps.accounts.models import Session, User
from apps.accounts.selectors import login_retry_after
from apps.accounts.services import record_failed_login
from apps.core import hooks
from apps.core.errors import Invalid, Problem, Unauthorized
from apps.core.hooks import ActorProtocol


def check_credentials(request: HttpRequest | None, login: str, password: str, *, address: str) -> User:
    """The account with this name and password, noted with its backend; it is not logged in yet.

    Raises `Unauthorized` for a wrong pair, `Problem` (429) after too many, and what a directory has to say.
    """
    wait, via = login_retry_after(login, address), "api" if request is None else "console"
    if wait:
        message = _("Too many failed log-ins. Try again in %(seconds)s seconds.") % {"seconds": wait}
        raise Problem(message, status=429, code="Too Many Requests")
    try:
        user = authenticate(request, username=login, password=password)
    except Problem:  # a directory that is down, or one that knows the person whom we keep out
        record_failed_login(login, address, via=via)  # or while it is down local passwords could be guessed for ever
        raise
    if not isinstance(user, User):
        record_failed_login(login, address, via=via)
        raise Unauthorized(_("The log-in name or the password is wrong."))
    return user


def can_reauthenticate(user: User) -> bool:
    """Whether the account has a password that can be asked for again: its own, or a directory's."""
    return user.has_usable_password() or _directory_login(user) != ""


def _directory_login(user: User) -> str:
    person = user.identities.exclude(provider__kind="github").exclude(login="").first()
    return person.login if person else ""


def session_confirm(session: Session | None, password: str, code: str, *, actor: ActorProtocol) -> None:
    """Note that the session's holder has proved again who they are, with the password and, where there is one, a code.

    Raises `Invalid` at the field that is wrong.
    """
    user = session.account if session is not None else None
    if session is None or user is None:
        raise Unauthorized(_("Log in first."))
    address = str(getattr(actor, "address", ""))
    password_confirm(user, password, actor=actor)
    if factor_of(user) is not None:
        code_check(user, code, address=address)
    Session.objects.filter(pk=session.pk).update(confirmed=timezone.now())
    hooks.record("session.confirm", actor=actor, row=user)


def password_confirm(user: User, password: str, *, actor: ActorProtocol) -> None:
    """Check the account's password again, where it is kept. Raises `Invalid` at `password`."""
    if user.has_usable_password():
        verify_password(user, password, actor=actor, field="password")
        return
    login = _directory_login(user)
    if not login or check_credentials(None, login, password, address=str(getattr(actor, "address", ""))) != user:
        raise Invalid("password", "InvalidFormat", _("This is not your current password."))
